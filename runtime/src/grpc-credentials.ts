import { isIP, type Socket } from "node:net";
import { connect } from "node:tls";
import { CallCredentials, ChannelCredentials, type experimental } from "@grpc/grpc-js";
import { type Certificates, connectionTls } from "./certificates.ts";

const handshakeTimeoutMs = 5_000;

/**
 * TLS of a channel, which looks at the certificate files at each new connection. The server's
 * certificate has to be for this host. (The credentials that come with grpc-js keep what they were
 * made with.)
 */
export function grpcCredentials(certificates: Certificates, host: string): ChannelCredentials {
  return new FileCredentials(certificates, host);
}

class FileCredentials extends ChannelCredentials {
  readonly #certificates: Certificates;
  readonly #host: string;

  constructor(certificates: Certificates, host: string) {
    super();
    this.#certificates = certificates;
    this.#host = host;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    _target: unknown,
    _options: unknown,
    callCredentials?: CallCredentials,
  ): experimental.SecureConnector {
    return {
      connect: (socket) => this.#connect(socket),
      waitForReady: async () => undefined,
      getCallCredentials: () => callCredentials ?? CallCredentials.createEmpty(),
      destroy: () => undefined,
    };
  }

  #connect(socket: Socket): Promise<experimental.SecureConnectResult> {
    const host = this.#host;
    const options = { socket, host, ...connectionTls(this.#certificates), ALPNProtocols: ["h2"] };
    // An address must not be named in the handshake; the certificate has to be for it all the same.
    const named = isIP(host) === 0 ? { ...options, servername: host } : options;
    return new Promise((resolve, reject) => {
      const secured = connect(named, () => {
        clearTimeout(timer);
        resolve({ socket: secured, secure: true });
      });
      const timer = setTimeout(() => {
        secured.destroy(new Error(`No TLS within ${handshakeTimeoutMs} ms`));
      }, handshakeTimeoutMs);
      secured.on("error", reject);
      secured.once("close", () => {
        clearTimeout(timer);
        reject(new Error("The connection was closed before TLS was agreed on"));
      });
    });
  }
}
