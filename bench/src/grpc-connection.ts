import type { DescMethod } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";

/** One connection of gRPC, for any number of calls at once. */
export interface GrpcConnection {
  /**
   * Makes a call. Its answer is left as bytes: decoding it would slow the load, not the server.
   *
   * @throws ServiceError of grpc-js
   */
  call(method: DescMethod, request: Buffer): Promise<Buffer>;
  close(): void;
}

/**
 * Connects to a server of the loopback interface, with the first call.
 *
 * @param token says who calls, where the server wants to know
 */
export function openGrpcConnection(port: number, token?: string): GrpcConnection {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    // Otherwise clients of one process share a connection.
    "grpc.use_local_subchannel_pool": 1,
  });
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    call: (method, request) =>
      new Promise((resolve, reject) => {
        const path = `/${method.parent.typeName}/${method.name}`;
        client.makeUnaryRequest(path, same, same, request, metadata, (error, answer) => {
          if (error === null && answer !== undefined) resolve(answer);
          else reject(error);
        });
      }),
    close: () => client.close(),
  };
}
