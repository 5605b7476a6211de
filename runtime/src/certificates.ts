import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
} from "node:tls";
import { z } from "zod";
import type { Logger } from "./logger.ts";
import { OperatorError } from "./operator-error.ts";

const file = z.string().min(1).optional();

const filesSchema = z.strictObject({
  /** PEM file with the authorities whose certificates the other side may have. */
  ca_file: file,
  /** PEM file with a certificate of our own, those between it and its authority behind it. */
  certificate_file: file,
  /** PEM file with the private key of that certificate. */
  key_file: file,
});

/** Where certificates lie, relative to the working directory. */
export type CertificateFiles = z.output<typeof filesSchema>;

/**
 * TLS of connections that we open, in every section: `ca_file` left out trusts the authorities that
 * Node trusts; `certificate_file` and `key_file` are shown where the other side asks for them.
 */
export const clientTlsSchema = filesSchema
  .extend({ enabled: z.boolean().default(false) })
  .superRefine((tls, context) => {
    requirePair(tls, context);
    const files = [tls.ca_file, tls.certificate_file, tls.key_file];
    // Whoever names an authority believes that his connection is encrypted.
    if (tls.enabled || files.every((one) => one === undefined)) return;
    const message = "must be true where ca_file, certificate_file or key_file is set";
    context.addIssue({ code: "custom", path: ["enabled"], message });
  })
  .prefault({});

/** TLS of connections that we open. */
export type ClientTls = z.output<typeof clientTlsSchema>;

/**
 * TLS of a port of ours, in every section; without it a port is not encrypted. Clients are asked for
 * a certificate of the authorities in `ca_file`: not at all, so that those who have one can show it,
 * or all of them.
 */
export const serverTlsSchema = filesSchema
  .extend({
    certificate_file: z.string().min(1),
    key_file: z.string().min(1),
    client_certificates: z.enum(["none", "optional", "required"]).default("none"),
  })
  .superRefine(({ client_certificates, ca_file }, context) => {
    if ((client_certificates === "none") === (ca_file === undefined)) return;
    const message =
      ca_file === undefined
        ? `must name whose client certificates are ${client_certificates}`
        : 'would not be used: client_certificates is "none"';
    context.addIssue({ code: "custom", path: ["ca_file"], message });
  });

/** TLS of a port of ours. */
export type ServerTls = z.output<typeof serverTlsSchema>;

/** What certificate files held when they could be used last. */
export interface LoadedCertificates {
  /** For servers. */
  readonly options: SecureContextOptions;
  /** For clients. */
  readonly context: SecureContext;
}

/** Certificate files that may be replaced at any time. */
export interface Certificates {
  /**
   * Looks at the files and gives what they hold: the same object as before when they are the same,
   * and when they cannot be used, which is logged once.
   */
  read(): LoadedCertificates;
}

interface PemFiles {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/**
 * Reads the certificate files of connections that we open.
 *
 * @returns undefined where they are not encrypted
 * @throws OperatorError when a file cannot be read, or does not hold what it should
 */
export function openClientTls(
  { enabled, ...files }: ClientTls,
  use: string,
  logger: Logger,
): Certificates | undefined {
  return enabled ? openCertificates(files, use, logger) : undefined;
}

/** How connections are opened. The files are looked at whenever this object is copied. */
export function connectionTls(
  certificates: Certificates,
): Pick<ConnectionOptions, "secureContext" | "rejectUnauthorized"> {
  return {
    get secureContext() {
      return certificates.read().context;
    },
    // Said here, a variable of Node's cannot switch it off.
    rejectUnauthorized: true,
  };
}

/**
 * Reads certificate files.
 *
 * @param use what they are for, as log and errors name it: their section of the configuration
 * @throws OperatorError when a file cannot be read, or does not hold what it should
 */
export function openCertificates(
  files: CertificateFiles,
  use: string,
  logger: Logger,
): Certificates {
  let seen: PemFiles;
  let loaded: LoadedCertificates;
  let problem: string | undefined;
  try {
    seen = readFiles(files);
    loaded = load(seen);
  } catch (error) {
    const names = [files.ca_file, files.certificate_file, files.key_file]
      .filter(Boolean)
      .join(", ");
    throw new OperatorError(`The files of ${use} (${names}) cannot be used: ${reasonOf(error)}`);
  }
  return {
    read() {
      try {
        const now = readFiles(files);
        if (!sameFiles(now, seen)) {
          seen = now;
          loaded = load(now);
          logger.info({ use }, "New connections use the certificates that were changed");
        }
        problem = undefined;
      } catch (error) {
        // Certificate and key are rarely replaced in one step, so that two that do not belong
        // together may well come right at the next look.
        const reason = reasonOf(error);
        if (reason !== problem) {
          logger.error({ use, reason }, "Changed certificates cannot be used: the old ones stay");
        }
        problem = reason;
      }
      return loaded;
    },
  };
}

function readFiles({ ca_file, certificate_file, key_file }: CertificateFiles): PemFiles {
  const read = (name: string | undefined): Buffer | undefined =>
    name === undefined ? undefined : readFileSync(name);
  return { ca: read(ca_file), cert: read(certificate_file), key: read(key_file) };
}

function sameFiles(one: PemFiles, other: PemFiles): boolean {
  const same = (a: Buffer | undefined, b: Buffer | undefined): boolean =>
    a === undefined || b === undefined ? a === b : a.equals(b);
  return same(one.ca, other.ca) && same(one.cert, other.cert) && same(one.key, other.key);
}

function load({ ca, cert, key }: PemFiles): LoadedCertificates {
  if (ca !== undefined) checkCertificates(ca, "ca_file");
  if (cert !== undefined) checkCertificates(cert, "certificate_file");
  const options = {
    minVersion: "TLSv1.2",
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
  } as const;
  return { options, context: createSecureContext(options) };
}

// Node takes a file without a whole certificate for one that names no authority.
function checkCertificates(pem: Buffer, name: string): void {
  const blocks = pem.toString("latin1").split("-----BEGIN CERTIFICATE-----").slice(1);
  if (blocks.length === 0) throw new Error(`${name} holds no certificate`);
  for (const block of blocks) {
    try {
      new X509Certificate(`-----BEGIN CERTIFICATE-----${block}`);
    } catch {
      throw new Error(`${name} holds a damaged certificate`);
    }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function requirePair(
  { certificate_file, key_file }: CertificateFiles,
  context: z.RefinementCtx,
): void {
  if ((certificate_file === undefined) === (key_file === undefined)) return;
  const missing = key_file === undefined ? "key_file" : "certificate_file";
  const message = "certificate_file and key_file belong together";
  context.addIssue({ code: "custom", path: [missing], message });
}
