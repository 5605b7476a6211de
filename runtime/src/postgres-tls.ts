import { isIP } from "node:net";
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from "node:tls";
import { type ClientTls, connectionTls, openCertificates } from "./certificates.ts";
import type { Logger } from "./logger.ts";
import { OperatorError } from "./operator-error.ts";

/** A database, and whether the way to it is encrypted. */
export interface DatabaseAddress {
  readonly url: string;
  /** Left out: as the URL's sslmode says, unencrypted without one. */
  readonly tls?: ClientTls | undefined;
}

const notEncrypted: ClientTls = { enabled: false };
const section = "database.tls";
const urls = "A database URL (database.url, database.migration_url, or the import's)";

/**
 * What the driver is told of TLS. Where there is any, the server's certificate has to be of a known
 * authority and for the host of the URL, whatever sslmode asks for: the driver by itself takes any
 * certificate for `require`, and none for `prefer`.
 *
 * @throws OperatorError when URL and settings contradict each other, or a file cannot be used
 */
export function postgresTls(
  { url, tls = notEncrypted }: DatabaseAddress,
  logger: Logger,
): ConnectionOptions | false {
  if (!isEncrypted(url, tls.enabled)) return false;
  const certificates = openCertificates(tls, section, logger);
  const hosts = hostsOf(url);
  // Assigned to rather than copied, which the driver does for each connection.
  return Object.assign(connectionTls(certificates), {
    checkServerIdentity: (name: string, certificate: PeerCertificate) =>
      checkHost(hosts, name, certificate),
  });
}

function isEncrypted(url: string, enabled: boolean): boolean {
  const query = new URLSearchParams(url.split("?")[1]);
  const file = ["ssl", "sslrootcert", "sslcert", "sslkey", "sslpassword"].find((name) =>
    query.has(name),
  );
  if (file !== undefined) {
    throw new OperatorError(`${urls} has ${file}, which is set by ${section} instead`);
  }
  const mode = query.getAll("sslmode").at(-1);
  if (mode === undefined) return enabled;
  if (["require", "verify-ca", "verify-full"].includes(mode)) return true;
  if (mode !== "disable") {
    const instead = "give verify-full, or disable for a connection that is not encrypted";
    throw new OperatorError(`${urls} has an sslmode that promises nothing: ${instead}`);
  }
  if (!enabled) return false;
  throw new OperatorError(`${urls} says sslmode=disable, and ${section}.enabled is true`);
}

/** The hosts that a URL names; the driver takes several. */
function hostsOf(url: string): string[] {
  const [, hosts = ""] = /^[^:]+:\/\/(?:[^@/?]*@)?([^/?]*)/.exec(url) ?? [];
  return hosts.split(",").map((host) => host.replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1"));
}

// The driver does not tell Node which host it has connected to when that is an address, and Node
// then takes "localhost".
function checkHost(
  hosts: readonly string[],
  name: string,
  certificate: PeerCertificate,
): Error | undefined {
  const addresses = hosts.includes(name) ? [] : hosts.filter((host) => isIP(host) !== 0);
  const [first = name, ...others] = addresses;
  const fault = checkServerIdentity(first, certificate);
  return others.some((other) => checkServerIdentity(other, certificate) === undefined)
    ? undefined
    : fault;
}
