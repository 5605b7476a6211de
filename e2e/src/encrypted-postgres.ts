import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chownSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { dataDirectory } from "@pelikuni/local/postgres-cluster";
import type { PostgresPlace } from "@pelikuni/local/postgres-place";
import type { KeyPair } from "./test-certificates.ts";

/** What a Postgres server shows, and asks for. */
export interface PostgresCertificates {
  readonly server: KeyPair;
  /** PEM; where it is given, clients need a certificate of it. */
  readonly clientAuthority?: string;
}

const pollMs = 10;
// A client's first message where it wants TLS (PostgreSQL, "SSL Session Encryption").
const sslRequest = Buffer.of(0, 0, 0, 8, 4, 210, 22, 47);

/**
 * Has a running server of one's own speak TLS, and nothing else; resolves once it shows the
 * certificate to new connections.
 */
export async function encryptPostgres(
  { place, port }: { readonly place: PostgresPlace; readonly port: number },
  { server, clientAuthority }: PostgresCertificates,
): Promise<void> {
  const directory = dataDirectory(place);
  const write = (name: string, content: string): void => {
    const file = path.join(directory, name);
    writeFileSync(file, content, { mode: 0o600 });
    if (place.user !== undefined) chownSync(file, place.user.uid, place.user.gid);
  };
  write("server.crt", server.certificate);
  write("server.key", server.key);
  write("clients.crt", clientAuthority ?? "");
  const asked = clientAuthority === undefined ? "" : "clientcert=verify-ca";
  write("pg_hba.conf", `hostssl all all 127.0.0.1/32 scram-sha-256 ${asked}\n`);
  const settings = ["ssl = on", clientAuthority === undefined ? "" : "ssl_ca_file = 'clients.crt'"];
  write("postgresql.auto.conf", `${settings.join("\n")}\n`);
  const [pid = ""] = (await readFile(path.join(directory, "postmaster.pid"), "utf8")).split("\n");
  process.kill(Number(pid), "SIGHUP");
  const { fingerprint256 } = new X509Certificate(server.certificate);
  while ((await shownBy(port)) !== fingerprint256) await pause(pollMs);
}

/** The fingerprint of the certificate that a server shows; undefined: none. */
async function shownBy(port: number): Promise<string | undefined> {
  const socket = connectTcp(port, "127.0.0.1");
  try {
    socket.write(sslRequest);
    const [answer] = await once(socket, "data");
    if (String(answer) !== "S") return undefined;
    const secured = connectTls({ socket, rejectUnauthorized: false });
    await once(secured, "secureConnect");
    return secured.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}
