"""Those around Portico whose faults are drilled: a collector that takes traces by OTLP, a mail server, and somebody else's
gRPC service whose contract is good, taken, or broken."""

import contextlib
import http.server
import socket
import socketserver
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


def grpc_server(port):
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    if not server.add_insecure_port(f"127.0.0.1:{port}"):
        raise RuntimeError(f"port {port} is taken")
    return server


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans, and has a page of metrics to be scraped."""

    def __init__(self, otlp_port, metrics_port):
        self.spans = 0
        self.server = grpc_server(otlp_port)
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self.server)
        self.server.start()

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(page):
                page.send_response(200)
                page.send_header("content-type", "text/plain; version=0.0.4")
                page.end_headers()
                page.wfile.write(f"otelcol_receiver_accepted_spans {self.spans}\n".encode())

            def log_message(page, *_):
                pass

        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self.page = http.server.ThreadingHTTPServer(("127.0.0.1", metrics_port), Page)
        threading.Thread(target=self.page.serve_forever, daemon=True).start()

    def Export(self, request, context):
        self.spans += sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def stop(self):
        self.server.stop(0).wait()
        self.page.shutdown()
        self.page.server_close()


class MailServer:
    """Speaks SMTP (RFC 5321). Takes every mail, or no recipient at all: 550, which is for good."""

    def __init__(self, port, takes=True):
        self.open = set()

        class Talk(socketserver.StreamRequestHandler):
            def handle(talk):
                self.open.add(talk.connection)
                with contextlib.suppress(OSError):
                    talk.speak()

            def speak(talk):
                talk.wfile.write(b"220 localhost\r\n")
                for line in talk.rfile:
                    verb = line.split()[0].upper() if line.split() else b""
                    if verb == b"DATA":
                        talk.wfile.write(b"354 go on\r\n")
                        while talk.rfile.readline() not in (b".\r\n", b""):
                            pass
                    refused = verb == b"RCPT" and not takes
                    talk.wfile.write(b"550 5.1.1 nobody here\r\n" if refused else b"250 ok\r\n")
                    if verb == b"QUIT":
                        return

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        socketserver.ThreadingTCPServer.daemon_threads = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Talk)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        # Whoever keeps a connection for the next mail loses it too.
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def contract(kind):
    """One file with one service: its route is its own (`good`) or one of Portico's (`taken`), or the message of its RPC
    is declared nowhere (`broken`)."""
    file = descriptor_pb2.FileDescriptorProto(name="acme/ghost.proto", package="acme.v1", syntax="proto3")
    file.dependency.append("google/api/annotations.proto")
    message = file.message_type.add(name="Ghost")
    message.field.add(name="id", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL", json_name="id")
    kind_of_request = ".acme.v1.Missing" if kind == "broken" else ".acme.v1.Ghost"
    method = file.service.add(name="Ghosts").method.add(
        name="GetGhost", input_type=kind_of_request, output_type=".acme.v1.Ghost"
    )
    path = "/api/v1/users/{id}" if kind == "taken" else "/api/v1/ghosts/{id}"
    method.options.Extensions[annotations_pb2.http].CopyFrom(http_pb2.HttpRule(get=path))
    return file


class Ghosts(reflection_pb2_grpc.ServerReflectionServicer):
    """An upstream that offers reflection, and answers no call."""

    def __init__(self, port, kind):
        known = [annotations_pb2.DESCRIPTOR, http_pb2.DESCRIPTOR, descriptor_pb2.DESCRIPTOR]
        self.files = {it.name: it.serialized_pb for it in known}
        self.files["acme/ghost.proto"] = contract(kind).SerializeToString()
        self.server = grpc_server(port)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(self, self.server)
        self.server.start()

    def ServerReflectionInfo(self, requests, context):
        for request in requests:
            answer = reflection_pb2.ServerReflectionResponse(original_request=request)
            if request.HasField("list_services"):
                answer.list_services_response.service.add(name="acme.v1.Ghosts")
            elif request.HasField("file_containing_symbol"):
                answer.file_descriptor_response.file_descriptor_proto.extend(self.files.values())
            elif request.file_by_filename in self.files:
                answer.file_descriptor_response.file_descriptor_proto.append(self.files[request.file_by_filename])
            else:
                answer.error_response.error_code = grpc.StatusCode.NOT_FOUND.value[0]
            yield answer

    def stop(self):
        self.server.stop(0).wait()


def main():
    """`stand_ins.py OTLP_PORT METRICS_PORT` is a collector until it is ended."""
    Collector(*map(int, sys.argv[1:]))
    threading.Event().wait()


if __name__ == "__main__":
    main()
