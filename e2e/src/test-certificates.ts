import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { isIP } from "node:net";
import path from "node:path";

/** A certificate with its private key, in PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** Whom a certificate is for. */
export interface Subject {
  readonly commonName: string;
  /** Host names and addresses, and what contains "://". */
  readonly names?: readonly string[];
}

/** An authority of one test's own. */
export interface TestAuthority {
  /** PEM: what the other side has to trust. */
  readonly certificate: string;
  /** Signs a certificate, for servers and clients alike. */
  issue(subject: Subject): KeyPair;
}

/** The files of a certificate, as the sections of the configuration name them. */
export interface TestCertificateFiles {
  readonly ca_file: string;
  readonly certificate_file: string;
  readonly key_file: string;
}

const validMs = 24 * 60 * 60 * 1_000;

/** Makes an authority; each one has another key, also where the name is the same. */
export function createTestAuthority(commonName = "test authority"): TestAuthority {
  const own = newKey();
  const signed = (subject: Subject, publicKey: KeyObject, authority: boolean): string =>
    pem(certificateOf({ subject, publicKey, authority, issuer: commonName, issuerKey: own.key }));
  return {
    certificate: signed({ commonName }, own.publicKey, true),
    issue(subject) {
      const { key, publicKey } = newKey();
      return {
        certificate: signed(subject, publicKey, false),
        key: key.export({ type: "pkcs8", format: "pem" }).toString(),
      };
    },
  };
}

/** Writes a certificate of an authority into a directory; what was there before is replaced. */
export function writeCertificate(
  directory: string,
  authority: TestAuthority,
  subject: Subject,
): TestCertificateFiles {
  const { certificate, key } = authority.issue(subject);
  const file = (part: string): string => path.join(directory, `${subject.commonName}-${part}.pem`);
  const files = { ca_file: file("ca"), certificate_file: file("cert"), key_file: file("key") };
  writeFileSync(files.ca_file, authority.certificate);
  writeFileSync(files.certificate_file, certificate);
  writeFileSync(files.key_file, key, { mode: 0o600 });
  return files;
}

function newKey(): { readonly key: KeyObject; readonly publicKey: KeyObject } {
  const { privateKey: key, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { key, publicKey };
}

// What follows writes X.509 (RFC 5280) in DER: tag, length, content.

interface Certified {
  readonly subject: Subject;
  readonly publicKey: KeyObject;
  readonly authority: boolean;
  readonly issuer: string;
  readonly issuerKey: KeyObject;
}

function certificateOf(certified: Certified): Buffer {
  const { subject, publicKey, authority, issuer, issuerKey } = certified;
  const now = Date.now();
  const ecdsaWithSha256 = sequence(identifier("2a8648ce3d040302"));
  const signed = sequence(
    element(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ecdsaWithSha256,
    distinguishedName(issuer),
    // From a moment ago, so that clocks may differ.
    sequence(time(now - 60_000), time(now + validMs)),
    distinguishedName(subject.commonName),
    publicKey.export({ type: "spki", format: "der" }),
    element(0xa3, sequence(...extensionsOf(subject, authority))),
  );
  const signature = sign("sha256", signed, issuerKey);
  return sequence(signed, ecdsaWithSha256, element(0x03, Buffer.of(0), signature));
}

function extensionsOf({ names = [] }: Subject, authority: boolean): Buffer[] {
  const basicConstraints = sequence(...(authority ? [element(0x01, Buffer.of(0xff))] : []));
  const extensions = [extension("551d13", basicConstraints)];
  if (names.length > 0) extensions.push(extension("551d11", sequence(...names.map(generalName))));
  return extensions;
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(identifier(id), element(0x04, value));
}

function generalName(name: string): Buffer {
  if (isIP(name) === 4) return element(0x87, Buffer.from(name.split(".").map(Number)));
  return element(name.includes("://") ? 0x86 : 0x82, Buffer.from(name));
}

function distinguishedName(commonName: string): Buffer {
  const value = sequence(identifier("550403"), element(0x0c, Buffer.from(commonName)));
  return sequence(element(0x31, value));
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return element(0x17, Buffer.from(digits.slice(2)));
}

function identifier(hex: string): Buffer {
  return element(0x06, Buffer.from(hex, "hex"));
}

function integer(value: Buffer): Buffer {
  return element(0x02, value);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return element(0x30, ...parts);
}

function element(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  // Below 128 the length is one byte; above, a byte tells how many follow.
  const head = length < 128 ? [tag, length] : [tag, 0x82, Math.floor(length / 256), length % 256];
  return Buffer.concat([Buffer.from(head), content]);
}

function pem(der: Buffer): string {
  const lines = der.toString("base64").replaceAll(/.{1,64}/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
}
