"""A steady load over HTTP/1.1: so many requests a second over so many connections, whatever becomes of them."""

import collections, multiprocessing, socket, time


class Load:
    """Runs in processes of its own, so that what measures does not wait for what is measured."""

    def __init__(self, port, paths, token, rate, connections=32, processes=1, patience=12):
        self.arguments = (port, paths, token, rate / processes, connections // processes, patience)
        self.processes, self.answers = processes, []

    def __enter__(self):
        self.stop, self.queue = multiprocessing.Event(), multiprocessing.Queue()
        work = lambda: multiprocessing.Process(target=run, args=(*self.arguments, self.stop, self.queue), daemon=True)
        self.children = [work() for _ in range(self.processes)]
        for child in self.children:
            child.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for _ in self.children:
            self.answers += self.queue.get()
        for child in self.children:
            child.join()

    # Each answer: when it was due, how long it took from then (seconds), its status (0: none), and what was asked and
    # answered where that was no success.

    def statuses(self):
        return dict(collections.Counter(answer[2] for answer in self.answers))

    def show_failed(self, since):
        for due, took, status, said in self.failed()[:20]:
            print(f"   {due - since:6.1f} s: {status} after {took:.2f} s: {said}")

    def failed(self):
        return [answer for answer in self.answers if not 200 <= answer[2] < 300]

    def between(self, start, end):
        return [answer for answer in self.answers if start <= answer[0] < end]


def percentile(answers, part, good_only=True):
    took = sorted(answer[1] for answer in answers if not good_only or 200 <= answer[2] < 300)
    return took[min(int(len(took) * part), len(took) - 1)] if took else float("inf")


def run(port, paths, token, rate, connections, patience, stop, queue):
    """One process: a selector loop, since threads would wait for each other."""
    import selectors

    requests = [written(request, token) for request in paths]
    selector, answers, idle, waiting = selectors.DefaultSelector(), [], collections.deque(), collections.deque()
    busy, made, sent, begun = {}, 0, 0, time.monotonic()

    def connect():
        sock = socket.create_connection(("127.0.0.1", port), timeout=patience)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ)
        return sock

    def drop(sock):
        selector.unregister(sock)
        sock.close()

    def send(sock, due, request):
        busy[sock] = [due, b"", request]
        try:
            sock.sendall(request)
        except OSError:
            finish(sock, 0, keep=False)

    def finish(sock, status, keep=True):
        due, read, request = busy.pop(sock)
        body = read.partition(b"\r\n\r\n")[2]
        said = "" if 200 <= status < 300 else f"{request[:40]} {body[:200]}"
        answers.append((due, time.monotonic() - due, status, said))
        if keep:
            idle.append(sock)
        else:
            drop(sock)

    while not stop.is_set() or busy:
        now = time.monotonic()
        while not stop.is_set() and begun + made / rate <= now:
            waiting.append(begun + made / rate)
            made += 1
        while waiting and (idle or len(busy) < connections):
            due = waiting.popleft()
            try:
                sock = idle.popleft() if idle else connect()
            except OSError:
                answers.append((due, time.monotonic() - due, 0, "no connection"))
                continue
            send(sock, due, requests[sent % len(requests)])
            sent += 1
        for key, _ in selector.select(0.001):
            sock = key.fileobj
            try:
                data = sock.recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if sock not in busy:
                # Closed while nothing was asked, which a client takes for what it is.
                if not data:
                    idle.remove(sock)
                    drop(sock)
                continue
            if not data:
                finish(sock, 0, keep=False)
                continue
            busy[sock][1] += data
            whole = answer(busy[sock][1])
            if whole:
                finish(sock, *whole)
        if stop.is_set():
            waiting.clear()
        for sock, (due, _, _) in list(busy.items()):
            if time.monotonic() - due > patience:
                finish(sock, 0, keep=False)
    queue.put(answers)


def written(request, token):
    """A request's bytes: a path that is read, or a method, a path and a body."""
    method, path, body = ("GET", request, "") if isinstance(request, str) else request
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}\r\n{body}".encode()


def answer(read):
    """The status of a whole answer, and whether its connection stays open."""
    head, found, body = read.partition(b"\r\n\r\n")
    if not found:
        return None
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), None)
    if length is None:
        chunked = any(line.startswith(b"transfer-encoding:") for line in lines)
        if chunked and not body.endswith(b"0\r\n\r\n"):
            return None
    elif len(body) < length:
        return None
    return int(lines[0].split()[1]), b"connection: close" not in lines
