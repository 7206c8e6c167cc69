"""A gRPC backend in Python, as somebody else would write it: grpcio, reflection, its own proto.

Usage: backend.py PORT PROTO_FOLDER... ; port 0 picks a free one. Prints the port it listens on.
"""

import sys
import threading
import time
from concurrent import futures

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

sys.path[:0] = sys.argv[2:]
stock, services = grpc.protos_and_services("acme/stock/v1/stock.proto")

ITEMS = {
    "bolt": stock.Item(sku="bolt", title="Bolt", quantity=1200, warehouse="north", labels={"b": "2", "a": "1"}),
    "nut/m8": stock.Item(sku="nut/m8", title="Nut M8", quantity=9007199254740993, warehouse="north"),
    "wing": stock.Item(sku="wing", title="Flügel", quantity=0, warehouse="south"),
}


class Streams:
    """Counts the endless streams, so that a test can see a cancellation arrive."""

    def __init__(self):
        self.lock = threading.Lock()
        self.open = self.ended = 0

    def enter(self, context):
        with self.lock:
            self.open += 1
        context.add_callback(self.leave)

    def leave(self):
        with self.lock:
            self.open -= 1
            self.ended += 1


def refuse(context, code, message, *details):
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    status = status_pb2.Status(code=code.value[0], message=message, details=packed)
    context.abort_with_status(rpc_status.to_status(status))


def find(context, sku):
    if sku not in ITEMS:
        missing = error_details_pb2.ErrorInfo(reason="ITEM_UNKNOWN", domain="acme.example", metadata={"sku": sku})
        refuse(context, grpc.StatusCode.NOT_FOUND, f"no item {sku}", missing)
    return ITEMS[sku]


class Stock(services.StockServiceServicer):
    def __init__(self):
        self.streams = Streams()

    def GetItem(self, request, context):
        context.send_initial_metadata((("set-cookie", "stolen=1"), ("etag", "from-backend")))
        item = stock.Item()
        item.CopyFrom(find(context, request.sku))
        if request.warehouse:
            item.warehouse = request.warehouse
        return item

    def ListItems(self, request, context):
        wanted = request.skus or ITEMS
        found = [item for sku, item in ITEMS.items() if sku in wanted and item.quantity >= request.min_quantity]
        return stock.ListItemsResponse(items=found)

    def UpdateItem(self, request, context):
        changed = stock.Item()
        changed.CopyFrom(find(context, request.item.sku))
        request.update_mask.MergeMessage(request.item, changed, True, True)
        return stock.UpdateItemResponse(item=changed, changed=request.update_mask.paths)

    def ReserveItem(self, request, context):
        item = find(context, request.sku)
        if request.quantity < 1:
            violation = error_details_pb2.BadRequest.FieldViolation(field="quantity", description="must be at least 1")
            bad = error_details_pb2.BadRequest(field_violations=[violation])
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "quantity: must be at least 1", bad)
        if request.quantity > item.quantity:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromSeconds(7)
            refuse(context, grpc.StatusCode.UNAVAILABLE, "not enough in stock", retry)
        reserved = stock.Item()
        reserved.CopyFrom(item)
        reserved.quantity -= request.quantity
        return reserved

    def GetNote(self, request, context):
        return stock.Note(name=request.name)

    def GetHeaders(self, request, context):
        return stock.Headers(values={key: str(value) for key, value in context.invocation_metadata()})

    def Wait(self, request, context):
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(request.time.ToTimedelta().total_seconds())
        return empty_pb2.Empty()

    def CountStreams(self, request, context):
        return stock.StreamCounts(open=self.streams.open, ended=self.streams.ended)

    def ExportItems(self, request, context):
        for number, item in enumerate(ITEMS.values()):
            if request.fail_after and number == request.fail_after:
                lost = error_details_pb2.ErrorInfo(reason="SHELF_FELL_OVER", domain="acme.example")
                refuse(context, grpc.StatusCode.DATA_LOSS, "the shelf fell over", lost)
            if request.limit and number == request.limit:
                return
            yield item

    def WatchPrices(self, request, context):
        self.streams.enter(context)
        amount = 1.0
        while context.is_active():
            yield stock.Price(sku=request.sku, amount=amount)
            amount += 0.5
            time.sleep(0.02)

    def WatchMoves(self, request, context):
        self.streams.enter(context)
        every = request.every.ToTimedelta().total_seconds() or 0.05
        first = int(request.after or 100)
        if first < 50:
            expired = error_details_pb2.ErrorInfo(reason="CURSOR_EXPIRED", domain="acme.example")
            refuse(context, grpc.StatusCode.OUT_OF_RANGE, "moves before 50 are gone", expired)
        yield stock.Move(meta=stock.Meta(offset=str(first), position=True))
        number = first
        while context.is_active():
            time.sleep(every)
            number += 1
            meta = stock.Meta(offset=str(number))
            if number % 2:
                yield stock.Move(meta=meta, arrived=stock.Arrived(sku="bolt", number=number))
            else:
                yield stock.Move(meta=meta, left=stock.Left(sku="bolt", number=number))


    def TallyStock(self, request_iterator, context):
        self.streams.enter(context)
        counts = quantity = 0
        for count in request_iterator:
            counts += 1
            quantity += count.quantity
            yield stock.Sum(counts=counts, quantity=quantity)


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
    services.add_StockServiceServicer_to_server(Stock(), server)
    reflection.enable_server_reflection(("acme.stock.v1.StockService", reflection.SERVICE_NAME), server)
    port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
