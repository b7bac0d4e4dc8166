//! The features of protobuf editions, resolved from file to message to field.
//!
//! See <https://protobuf.dev/editions/features/>.

use prost::Message as _;
use prost_reflect::{FileDescriptor, MessageDescriptor, Syntax};

/// The features that decide how a field is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "features are independent of each other by definition"
)]
pub(crate) struct Features {
    pub implicit_presence: bool,
    pub closed_enum: bool,
    pub packed: bool,
    pub delimited: bool,
}

const IMPLICIT: i32 = 2;
const CLOSED: i32 = 2;
const OPEN: i32 = 1;
const EXPLICIT: i32 = 1;
const PACKED: i32 = 1;
const EXPANDED: i32 = 2;
const LENGTH_PREFIXED: i32 = 1;
const DELIMITED: i32 = 2;

const EDITION_PROTO2: u64 = 998;
const EDITION_PROTO3: u64 = 999;
const EDITION_2023: u64 = 1000;
const EDITION_2024: u64 = 1001;

impl Features {
    const PROTO2: Self = Self {
        implicit_presence: false,
        closed_enum: true,
        packed: false,
        delimited: false,
    };
    const PROTO3: Self = Self {
        implicit_presence: true,
        closed_enum: false,
        packed: true,
        delimited: false,
    };
    const EDITIONS: Self = Self {
        implicit_presence: false,
        closed_enum: false,
        packed: true,
        delimited: false,
    };

    /// The defaults of an edition, by its number in `google.protobuf.Edition`.
    pub fn of_edition(edition: u64) -> Option<Self> {
        match edition {
            EDITION_PROTO2 => Some(Self::PROTO2),
            EDITION_PROTO3 => Some(Self::PROTO3),
            EDITION_2023 | EDITION_2024 => Some(Self::EDITIONS),
            _ => None,
        }
    }

    /// What holds at the top of a file.
    pub fn of_file(file: &FileDescriptor) -> Self {
        let defaults = match file.syntax() {
            Syntax::Proto2 => Self::PROTO2,
            Syntax::Proto3 => Self::PROTO3,
        };
        defaults.with::<FileOptions>(&file.options().encode_to_vec())
    }

    /// What holds inside a message.
    pub fn of_message(message: &MessageDescriptor) -> Self {
        let outer = match message.parent_message() {
            Some(parent) => Self::of_message(&parent),
            None => Self::of_file(&message.parent_file()),
        };
        outer.with::<MessageOptions>(&message.options().encode_to_vec())
    }

    /// What holds for a thing with these encoded options inside a thing with these features.
    pub fn with<O: Carrier>(self, options: &[u8]) -> Self {
        let Some(set) = O::decode(options).ok().and_then(O::features) else {
            return self;
        };
        Self {
            implicit_presence: set
                .field_presence
                .map_or(self.implicit_presence, |v| v == IMPLICIT),
            closed_enum: set.enum_type.map_or(self.closed_enum, |v| v == CLOSED),
            packed: set
                .repeated_field_encoding
                .map_or(self.packed, |v| v == PACKED),
            delimited: set
                .message_encoding
                .map_or(self.delimited, |v| v == DELIMITED),
        }
    }

    /// The same, written out as options of a file.
    pub fn as_file_options(self) -> FileOptions {
        let pick = |flag, yes, no| Some(if flag { yes } else { no });
        FileOptions {
            features: Some(FeatureSet {
                field_presence: pick(self.implicit_presence, IMPLICIT, EXPLICIT),
                enum_type: pick(self.closed_enum, CLOSED, OPEN),
                repeated_field_encoding: pick(self.packed, PACKED, EXPANDED),
                message_encoding: pick(self.delimited, DELIMITED, LENGTH_PREFIXED),
            }),
        }
    }
}

/// The part of `google.protobuf.FeatureSet` that matters here.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FeatureSet {
    #[prost(int32, optional, tag = "1")]
    field_presence: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    enum_type: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    repeated_field_encoding: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    message_encoding: Option<i32>,
}

/// Options that carry features.
pub(crate) trait Carrier: prost::Message + Default {
    fn features(self) -> Option<FeatureSet>;
}

macro_rules! carriers {
    ($($name:ident = $tag:literal;)*) => {$(
        #[doc = concat!("The features in `google.protobuf.", stringify!($name), "`.")]
        #[derive(Clone, PartialEq, prost::Message)]
        pub(crate) struct $name {
            #[prost(message, optional, tag = $tag)]
            features: Option<FeatureSet>,
        }

        impl Carrier for $name {
            fn features(self) -> Option<FeatureSet> {
                self.features
            }
        }
    )*};
}

carriers! {
    FileOptions = "50";
    MessageOptions = "12";
    FieldOptions = "21";
    EnumOptions = "7";
}
