import { type PeerCertificate, TLSSocket } from "node:tls";
import { type ContextValues, createContextKey } from "@connectrpc/connect";

/** The other end of the connection that a call came by; what is asked of it is made only then. */
export interface Peer {
  /** The names of its certificate, as {@link peerNamesOf} tells them. */
  readonly names: () => readonly string[];
  /** Its address, for the log. */
  readonly address: () => string;
}

/** The peer of a call; set by the ports. */
export const peerKey = createContextKey<Peer>(
  { names: () => [], address: () => "this process" },
  { description: "the other end of the connection" },
);

/**
 * The names in the certificate of whoever makes a call: DNS names and URIs among its alternative
 * names, and its common name. Empty without a certificate of the authorities that the port trusts.
 */
export function peerNamesOf(values: ContextValues): readonly string[] {
  return values.get(peerKey).names();
}

/** The names in the certificate that the other end of a connection has proved to be its own. */
export function peerNamesOfSocket(socket: object): readonly string[] {
  if (!(socket instanceof TLSSocket && socket.authorized)) return [];
  return namesIn(socket.getPeerCertificate());
}

/** The names in a certificate, as {@link peerNamesOf} tells them. */
export function namesIn({
  subject,
  subjectaltname,
}: Pick<PeerCertificate, "subject" | "subjectaltname">): readonly string[] {
  const names: string[] = [];
  for (const [, kind, quoted, plain = ""] of (subjectaltname ?? "").matchAll(alternativeName)) {
    if (kind !== "DNS" && kind !== "URI") continue;
    names.push(quoted === undefined ? plain : String(JSON.parse(quoted)));
  }
  // More than one common name comes as a list, whatever the types say.
  names.push(...[subject?.CN ?? []].flat());
  return names;
}

// "DNS:a.example, URI:\"https://b, c\"": Node quotes what could be taken for another name.
const alternativeName = /(?:^|, )([^:,"]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))/g;
