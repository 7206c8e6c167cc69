"""A client that knows nothing but an address: it learns topics and documents by reflection, and uses them."""

import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status


class Backend:
    """Calls methods by their names, with requests and answers as JSON objects."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))
        self.metadata = []

    def call(self, service, method, request):
        answer = self._bound(service, method)(self._message(service, method, request), metadata=self.metadata, timeout=20)
        return json_format.MessageToDict(answer, descriptor_pool=self.pool)

    def stream(self, service, method, request):
        call = self._bound(service, method)(self._message(service, method, request), metadata=self.metadata, timeout=20)
        return (json_format.MessageToDict(each, descriptor_pool=self.pool) for each in call)

    def sign_in(self, username):
        answer = self.call("AuthService", "Login", {"username": username, "password": "lastmile-dev"})
        self.metadata = [("authorization", f"Bearer {answer['accessToken']}")]

    def _method(self, service, method):
        return self.pool.FindServiceByName(f"lastmile.v1.{service}").methods_by_name[method]

    def _message(self, service, method, request):
        message = GetMessageClass(self._method(service, method).input_type)()
        return json_format.ParseDict(request, message, descriptor_pool=self.pool)

    def _bound(self, service, method):
        found = self._method(service, method)
        kind = self.channel.unary_stream if found.server_streaming else self.channel.unary_unary
        answer = GetMessageClass(found.output_type)
        path = f"/{found.containing_service.full_name}/{found.name}"
        return kind(path, lambda message: message.SerializeToString(), answer.FromString)


def use_topics(backend):
    backend.sign_in("admin")
    rules = {"publish": ["user:1"], "subscribe": ["signed-in"]}
    backend.call("TopicService", "CreateTopic", {"topic": {"name": "orders", "rules": rules}})
    backend.sign_in("alice")
    events = backend.stream("TopicService", "Subscribe", {"topic": "orders"})
    assert next(events)["position"], "a position comes first"
    sent = backend.call("TopicService", "PublishEvent", {"topic": "orders", "type": "order:new", "data": {"n": 1}})
    event = next(events)
    assert (event["cursor"], event["data"], event["publisher"]) == (sent["cursor"], {"n": 1.0}, "alice"), event
    backend.sign_in("admin")
    topic = {"name": "orders", "rules": {"subscribe": ["role:admin"]}}
    backend.call("TopicService", "UpdateTopic", {"topic": topic, "updateMask": "rules.subscribe"})
    refused = fails(lambda: next(events))
    assert refused.code() == grpc.StatusCode.PERMISSION_DENIED, refused
    backend.call("TopicService", "DeleteTopic", {"name": "orders"})
    print("topics")


def use_documents(backend):
    backend.sign_in("alice")

    def commit(base, op, path, value):
        ops = [{"opId": op, "path": path, "set": value}]
        return backend.call("DocumentService", "CommitDocument", {"id": "plan", "baseVersion": base, "ops": ops})

    assert commit(0, "a", "/title", "Plan")["version"] == 1
    changes = backend.stream("DocumentService", "WatchDocument", {"id": "plan"})
    assert next(changes)["position"], "a position comes first"
    assert commit(1, "b", "/owner", "alice")["version"] == 2
    assert commit(1, "c", "/title", "Big plan")["version"] == 3, "another part than `b` changed"
    assert commit(1, "c", "/title", "Big plan")["version"] == 3, "a repeated operation has its first result"
    seen = [next(changes)["documentChanged"]["ops"][0]["opId"] for _ in range(2)]
    assert seen == ["b", "c"], seen
    refused = fails(lambda: commit(1, "d", "/title", "Small plan"))
    assert refused.code() == grpc.StatusCode.ABORTED, refused
    status = rpc_status.from_call(refused)
    details = [json_format.MessageToDict(detail, descriptor_pool=backend.pool) for detail in status.details]
    conflict = next(detail for detail in details if detail["@type"].endswith("lastmile.v1.DocumentConflict"))
    assert conflict["paths"] == [{"path": "/title", "version": 3, "current": "Big plan"}], conflict
    content = backend.call("DocumentService", "GetDocument", {"id": "plan"})["document"]["content"]
    assert content == {"title": "Big plan", "owner": "alice"}, content
    backend.call("DocumentService", "DeleteDocument", {"id": "plan"})
    assert "documentDeleted" in next(changes)
    print("documents")


def fails(call):
    try:
        answer = call()
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"not refused: {answer}")


if __name__ == "__main__":
    backend = Backend(sys.argv[1])
    use_topics(backend)
    use_documents(backend)
