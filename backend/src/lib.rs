//! sessions behind REST, WebSocket, SSE and gRPC
