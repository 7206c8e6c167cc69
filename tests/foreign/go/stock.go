package main

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

var items = map[string]string{
	"bolt":   `{"sku":"bolt","title":"Bolt","quantity":"1200","warehouse":"north","labels":{"a":"1"}}`,
	"nut/m8": `{"sku":"nut/m8","title":"Nut M8","quantity":"9007199254740993","warehouse":"north"}`,
}

type unary func(request *dynamicpb.Message) (string, error)

type streaming func(request *dynamicpb.Message, send func(string) error, done <-chan struct{}) error

// describe gives the methods that this backend has; the others answer UNIMPLEMENTED.
func describe(service protoreflect.ServiceDescriptor) *grpc.ServiceDesc {
	description := &grpc.ServiceDesc{ServiceName: string(service.FullName()), HandlerType: (*any)(nil)}
	for name, answer := range map[protoreflect.Name]unary{"GetItem": getItem, "ListItems": listItems} {
		method := service.Methods().ByName(name)
		description.Methods = append(description.Methods, grpc.MethodDesc{
			MethodName: string(name),
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				request := dynamicpb.NewMessage(method.Input())
				if err := decode(request); err != nil {
					return nil, err
				}
				text, err := answer(request)
				if err != nil {
					return nil, err
				}
				response := dynamicpb.NewMessage(method.Output())
				return response, protojson.Unmarshal([]byte(text), response)
			},
		})
	}
	for name, answer := range map[protoreflect.Name]streaming{"ExportItems": exportItems, "WatchMoves": watchMoves} {
		method := service.Methods().ByName(name)
		description.Streams = append(description.Streams, grpc.StreamDesc{
			StreamName:    string(name),
			ServerStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error {
				request := dynamicpb.NewMessage(method.Input())
				if err := stream.RecvMsg(request); err != nil {
					return err
				}
				send := func(text string) error {
					response := dynamicpb.NewMessage(method.Output())
					if err := protojson.Unmarshal([]byte(text), response); err != nil {
						return err
					}
					return stream.SendMsg(response)
				}
				return answer(request, send, stream.Context().Done())
			},
		})
	}
	return description
}

func getItem(request *dynamicpb.Message) (string, error) {
	item, known := items[field(request, "sku")]
	if !known {
		return "", status.Errorf(codes.NotFound, "no item %s", field(request, "sku"))
	}
	return item, nil
}

func listItems(*dynamicpb.Message) (string, error) {
	return `{"items":[` + items["bolt"] + `,` + items["nut/m8"] + `]}`, nil
}

func exportItems(_ *dynamicpb.Message, send func(string) error, _ <-chan struct{}) error {
	if err := send(items["bolt"]); err != nil {
		return err
	}
	return send(items["nut/m8"])
}

func watchMoves(request *dynamicpb.Message, send func(string) error, done <-chan struct{}) error {
	offset := 100
	if after := field(request, "after"); after != "" {
		var err error
		if offset, err = strconv.Atoi(after); err != nil {
			return status.Errorf(codes.InvalidArgument, "after: not an offset")
		}
	}
	meta := `{"meta":{"position":true,"offset":"` + strconv.Itoa(offset) + `"}}`
	for send(meta) == nil {
		select {
		case <-done:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
		offset++
		number := strconv.Itoa(offset)
		meta = `{"meta":{"offset":"` + number + `"},"arrived":{"sku":"bolt","number":"` + number + `"}}`
	}
	return nil
}

func field(request *dynamicpb.Message, name protoreflect.Name) string {
	return request.Get(request.Descriptor().Fields().ByName(name)).String()
}
