"""Another backend: publishes to a topic and subscribes to it by gRPC, whatever happens to the core meanwhile.

Usage: another_backend.py ADDRESS PROTO_FOLDER COUNT ; prints the number of each event as it arrives, ends after COUNT.
"""

import sys
import threading
import time

import grpc

address, proto_folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path.insert(0, proto_folder)
auth, auth_service = grpc.protos_and_services("lastmile/v1/auth.proto")
topic, topic_service = grpc.protos_and_services("lastmile/v1/topic.proto")

channel = grpc.insecure_channel(address, options=[("grpc.max_reconnect_backoff_ms", 200)])
topics = topic_service.TopicServiceStub(channel)
login = auth.LoginRequest(username="bob", password="lastmile-dev")
token = auth_service.AuthServiceStub(channel).Login(login, wait_for_ready=True).access_token
credential = [("authorization", f"Bearer {token}")]


def publish():
    for number in range(1, count + 1):
        event = topic.PublishEventRequest(topic="news", type="news:number", idempotency_key=f"number-{number}")
        event.data.number_value = number
        while True:  # The key makes a repeated request harmless.
            try:
                topics.PublishEvent(event, metadata=credential, wait_for_ready=True)
                break
            except grpc.RpcError as error:
                print(f"publishing again: {error.code()}", file=sys.stderr)
        time.sleep(0.01)


cursor, received = "", 0
while received < count:
    try:
        for event in topics.Subscribe(topic.SubscribeRequest(topic="news", cursor=cursor), wait_for_ready=True):
            if not cursor:
                threading.Thread(target=publish, daemon=True).start()
            cursor = event.cursor
            if not event.position:
                received += 1
                print(int(event.data.number_value), flush=True)
            if received == count:
                break
    except grpc.RpcError as error:
        print(f"subscribing again: {error.code()}", file=sys.stderr)
