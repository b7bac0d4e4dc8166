//! Orders, kept in memory: the example is about the way to them.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream, stream::BoxStream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::{
    acme::orders::v1::{
        ExportOrdersRequest, GetOrderRequest, ListProductsRequest, ListProductsResponse, Order,
        PlaceOrderRequest, Product, WatchOrdersRequest, order_service_server::OrderService,
    },
    google::api::HttpBody,
};

const PRODUCTS: [(&str, i64); 3] = [("teapot", 2_450), ("cup", 790), ("spoon", 320)];

/// The most orders that one export makes up.
const MOST: i32 = 1_000_000;

/// The most that one order takes of a product, so that prices stay prices.
const MOST_OF_ONE: i32 = 1_000;

/// The most orders that are kept.
const ROOM: usize = 10_000;

/// All orders. Clones share them.
#[derive(Clone)]
pub struct Orders {
    placed: Arc<Mutex<Vec<Order>>>,
    /// How many there are, for those who watch.
    count: watch::Sender<usize>,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            placed: Arc::default(),
            count: watch::Sender::new(0),
        }
    }
}

impl Orders {
    fn place(&self, product: &str, quantity: i32) -> Result<Order, Status> {
        let Some((name, cents)) = PRODUCTS.into_iter().find(|(name, _)| *name == product) else {
            return Err(Status::not_found("nothing of that name is sold"));
        };
        if !(0..=MOST_OF_ONE).contains(&quantity) {
            let message = format!("quantity must be from 0 to {MOST_OF_ONE}");
            return Err(Status::invalid_argument(message));
        }
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        if placed.len() == ROOM {
            return Err(Status::resource_exhausted("the books are full"));
        }
        let order = order(placed.len(), name, quantity.max(1), cents);
        placed.push(order.clone());
        self.count.send_replace(placed.len());
        Ok(order)
    }

    fn find(&self, id: &str) -> Result<Order, Status> {
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        let found = placed.iter().find(|order| order.id == id);
        found
            .cloned()
            .ok_or_else(|| Status::not_found("there is no such order"))
    }

    fn at(&self, index: usize) -> Option<Order> {
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        placed.get(index).cloned()
    }
}

fn order(index: usize, product: &str, quantity: i32, cents: i64) -> Order {
    let sequence = i64::try_from(index).unwrap_or(i64::MAX - 1) + 1;
    Order {
        id: format!("o-{sequence}"),
        sequence,
        product: product.to_owned(),
        quantity,
        cents: cents * i64::from(quantity),
    }
}

type Reply<T> = Result<Response<T>, Status>;
type Flow = BoxStream<'static, Result<Order, Status>>;

#[tonic::async_trait]
impl OrderService for Orders {
    type WatchOrdersStream = Flow;
    type ExportOrdersStream = Flow;

    async fn list_products(&self, _: Request<ListProductsRequest>) -> Reply<ListProductsResponse> {
        let products = PRODUCTS.map(|(name, cents)| Product {
            name: name.to_owned(),
            cents,
        });
        Ok(Response::new(ListProductsResponse {
            products: products.into(),
        }))
    }

    async fn place_order(&self, request: Request<PlaceOrderRequest>) -> Reply<Order> {
        let PlaceOrderRequest { product, quantity } = request.into_inner();
        self.place(&product, quantity).map(Response::new)
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Reply<Order> {
        self.find(&request.get_ref().id).map(Response::new)
    }

    async fn print_order(&self, request: Request<GetOrderRequest>) -> Reply<HttpBody> {
        let order = self.find(&request.get_ref().id)?;
        let (euros, cents) = (order.cents / 100, order.cents % 100);
        let receipt = format!(
            "{} x {}: {euros}.{cents:02}\n",
            order.quantity, order.product
        );
        Ok(Response::new(HttpBody {
            content_type: "text/plain; charset=utf-8".to_owned(),
            data: receipt.into_bytes(),
            extensions: Vec::new(),
        }))
    }

    async fn watch_orders(&self, request: Request<WatchOrdersRequest>) -> Reply<Flow> {
        let Ok(seen) = usize::try_from(request.get_ref().after) else {
            return Err(Status::invalid_argument("after must not be negative"));
        };
        let state = (self.clone(), self.count.subscribe(), seen);
        let orders = stream::unfold(state, |(orders, mut count, seen)| async move {
            // Fails only when the service is dropped, which this stream holds.
            count.wait_for(|count| *count > seen).await.ok()?;
            let order = orders.at(seen)?;
            Some((Ok(order), (orders, count, seen + 1)))
        });
        Ok(Response::new(orders.boxed()))
    }

    async fn export_orders(&self, request: Request<ExportOrdersRequest>) -> Reply<Flow> {
        let count = request.get_ref().count;
        if !(0..=MOST).contains(&count) {
            let message = format!("count must be from 0 to {MOST}");
            return Err(Status::invalid_argument(message));
        }
        let count = usize::try_from(count).unwrap_or_default();
        let orders = (0..count).map(|index| {
            let (product, cents) = PRODUCTS[index % PRODUCTS.len()];
            Ok(order(index, product, 1, cents))
        });
        Ok(Response::new(stream::iter(orders).boxed()))
    }
}
