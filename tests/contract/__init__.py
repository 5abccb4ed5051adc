"""One contract, two providers: what the SDK's users may rely on, asserted of the SDK's TracerProvider and of ours."""
