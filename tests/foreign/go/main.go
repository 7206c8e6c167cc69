// Command backend is a gRPC server in Go, as somebody else would write it: grpc-go, reflection, no generated code.
//
// Usage: backend PORT PROTO_FOLDER...; port 0 picks a free one. It prints the port it listens on.
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const protoFile = "acme/stock/v1/stock.proto"

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(port string, protoFolders []string) error {
	service, files, err := load(protoFolders)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	server.RegisterService(describe(service), nil)
	options := reflection.ServerOptions{Services: server, DescriptorResolver: files}
	grpc_reflection_v1.RegisterServerReflectionServer(server, reflection.NewServerV1(options))
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return server.Serve(listener)
}

// load compiles the proto file, so that nothing has to be generated.
func load(folders []string) (protoreflect.ServiceDescriptor, *protoregistry.Files, error) {
	resolver := protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: folders})
	compiler := protocompile.Compiler{Resolver: resolver}
	compiled, err := compiler.Compile(context.Background(), protoFile)
	if err != nil {
		return nil, nil, err
	}
	files := new(protoregistry.Files)
	if err := register(files, compiled[0]); err != nil {
		return nil, nil, err
	}
	return compiled[0].Services().ByName("StockService"), files, nil
}

// register adds a file after everything it imports.
func register(files *protoregistry.Files, file protoreflect.FileDescriptor) error {
	if _, err := files.FindFileByPath(file.Path()); err == nil {
		return nil
	}
	for i := range file.Imports().Len() {
		if err := register(files, file.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return files.RegisterFile(file)
}
