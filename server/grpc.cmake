# freshet_grpc: the gRPC side of the server, and the conversion between protocol messages and featurestore/serve.
file(GLOB grpc_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/grpc_*.cc ${CMAKE_CURRENT_LIST_DIR}/proto_*.cc
     ${CMAKE_CURRENT_LIST_DIR}/error_details.cc ${CMAKE_CURRENT_LIST_DIR}/listen_socket.cc)
add_library(freshet_grpc STATIC ${grpc_sources})
target_link_libraries(freshet_grpc PUBLIC freshet_flags freshet_ingest freshet_serve freshet_observe freshet_proto vendor::grpc)
