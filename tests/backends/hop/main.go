// A service between two others, written with OpenTelemetry's Go SDK: GET /?to=URL calls URL and answers with its body.
//
// The first argument is a propagator (b3, b3multi, jaeger). It prints its address, and for each request the ids of its span.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	propagators := map[string]propagation.TextMapPropagator{
		"b3":      b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)),
		"b3multi": b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)),
		"jaeger":  jaeger.Jaeger{},
	}
	propagator := propagators[os.Args[1]]
	tracer := trace.NewTracerProvider().Tracer("hop")
	handle := func(answer http.ResponseWriter, request *http.Request) {
		context := propagator.Extract(request.Context(), propagation.HeaderCarrier(request.Header))
		context, span := tracer.Start(context, "hop")
		defer span.End()
		fmt.Println(span.SpanContext().TraceID(), span.SpanContext().SpanID(), span.SpanContext().IsSampled())
		onward, err := http.NewRequestWithContext(context, "GET", request.URL.Query().Get("to"), nil)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		propagator.Inject(context, propagation.HeaderCarrier(onward.Header))
		response, err := http.DefaultClient.Do(onward)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		io.Copy(answer, response.Body)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	http.Serve(listener, http.HandlerFunc(handle))
}
