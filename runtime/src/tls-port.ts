import type { Server, TLSSocket, TlsOptions } from "node:tls";
import { type Certificates, openCertificates, type ServerTls } from "./certificates.ts";
import type { Logger } from "./logger.ts";
import { isLoopback } from "./port.ts";

/** How a port of ours speaks TLS. */
export interface PortTls {
  /** What its server is created with. */
  readonly options: TlsOptions;
  /** Has to be called with the server that was made of the options. */
  readonly attach: (server: Server) => void;
}

const handshakeTimeoutMs = 10_000;
const certificateCheckIntervalMs = 2_000;

/**
 * Reads the certificates of a port, and keeps them as they are in their files until its server
 * closes. Connections that are open stay. Undefined where the port is not encrypted, which is told
 * when other machines reach it.
 *
 * @param section of the configuration, where the port's settings are
 * @throws OperatorError when a file cannot be used
 */
export function preparePortTls(
  { host, tls: settings }: { readonly host: string; readonly tls?: ServerTls | undefined },
  section: string,
  logger: Logger,
): PortTls | undefined {
  const use = `${section}.tls`;
  if (settings === undefined) {
    const plain = `This port is not encrypted: set ${use}, unless a proxy before it encrypts`;
    if (!isLoopback(host)) logger.warn({ section, host }, plain);
    return undefined;
  }
  const certificates = openCertificates(settings, use, logger);
  return {
    options: {
      ...certificates.read().options,
      handshakeTimeout: handshakeTimeoutMs,
      requestCert: settings.client_certificates !== "none",
      rejectUnauthorized: settings.client_certificates === "required",
    },
    attach(server) {
      renewCertificates(server, certificates);
      server.on("secureConnection", refuseUnverified);
      server.on("tlsClientError", (error) => {
        logger.debug({ error, use }, "A client and this port did not agree on TLS");
      });
    },
  };
}

function renewCertificates(server: Server, certificates: Certificates): void {
  let used = certificates.read();
  const timer = setInterval(() => {
    const now = certificates.read();
    if (now === used) return;
    used = now;
    server.setSecureContext(now.options);
  }, certificateCheckIntervalMs);
  timer.unref();
  server.once("close", () => clearInterval(timer));
}

// Where a certificate is optional, Node lets in those who show one of nobody that we know. They are
// told now, rather than wonder why their calls are refused.
function refuseUnverified(socket: TLSSocket): void {
  if (!socket.authorized && socket.getPeerX509Certificate() !== undefined) socket.destroy();
}
