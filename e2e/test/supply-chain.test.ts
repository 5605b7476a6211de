import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { findLicenceFaults, formatLicences } from "../src/licences.ts";
import {
  findShippedPlaces,
  findSupplyFaults,
  type LockFile,
  lockedPackages,
  project,
  readAllowedScripts,
  readLockFile,
  shippedWorkspaces,
} from "../src/lock-file.ts";

const lock = readLockFile();
const allowedScripts = readAllowedScripts();
const billSchema = z.object({
  bomFormat: z.literal("CycloneDX"),
  specVersion: z.string().regex(/^1\.[5-9]$/),
  serialNumber: z.string().regex(/^urn:uuid:[0-9a-f-]{36}$/),
  metadata: z.object({ component: z.object({ "bom-ref": z.string() }) }),
  components: z.array(
    z.object({
      "bom-ref": z.string(),
      purl: z.string(),
      hashes: z.array(z.object({ alg: z.string(), content: z.string() })).default([]),
      licenses: z.array(z.unknown()).default([]),
    }),
  ),
  dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

test("every dependency is pinned by its hash and comes from the registry, and scripts are named", () => {
  expect(findSupplyFaults(lock, allowedScripts)).toEqual([]);
});

test.each<[string, Partial<LockFile["packages"][string]>, string]>([
  ["without a hash", { integrity: undefined }, "has no SHA-512"],
  ["with a weak hash", { integrity: "sha1-L7c+YRnmHbeV3dJjTZqXXXXXXXX=" }, "has no SHA-512"],
  ["from a repository", { resolved: "git+ssh://git@code.example/a.git#1" }, "comes from git+ssh"],
  ["without TLS", { resolved: "http://code.example/fastify.tgz" }, "comes from http:"],
  ["from a file", { resolved: "file:../fastify.tgz" }, "comes from file:"],
  ["bundled in another", { inBundle: true }, "is bundled in another package"],
  ["with a script that nobody named", { hasInstallScript: true }, "has an install script"],
  ["that is a link out of the project", { link: true, resolved: "../fastify" }, "is no workspace"],
])("a package %s is refused", (_, change, fault) => {
  expect(findSupplyFaults(withPackage("node_modules/fastify", change), allowedScripts)).toEqual([
    expect.stringContaining(fault),
  ]);
});

test("a name in allowScripts that no package needs is refused", () => {
  expect(findSupplyFaults(lock, { ...allowedScripts, fastify: true })).toEqual([
    "fastify is named in allowScripts and has no install script",
  ]);
});

test("an image is built from the lock file alone, without install scripts", () => {
  const dockerfile = readFileSync(path.join(project, "Dockerfile"), "utf8");
  const installs = dockerfile.match(/\b(npm (ci|i|install|add)|npx)\b.*/g);
  const workspaces = shippedWorkspaces.map((name) => `-w ${name}`).join(" ");
  expect(installs).toEqual([
    "npm ci --ignore-scripts",
    `npm ci --ignore-scripts --omit=dev ${workspaces}`,
  ]);
});

test("every licence is one of those agreed upon", () => {
  expect(findLicenceFaults(lock)).toEqual([]);
});

test.each<[string, string, string | undefined, string[]]>([
  ["no licence", "node_modules/fastify", undefined, ["node_modules/fastify names no licence"]],
  [
    "a copyleft licence",
    "node_modules/fastify",
    "MIT OR GPL-3.0-only",
    ["node_modules/fastify is under GPL-3.0-only, which is not allowed there"],
  ],
  [
    "the licence of a tool",
    "node_modules/fastify",
    "MPL-2.0",
    ["node_modules/fastify is under MPL-2.0, which is not allowed there"],
  ],
  ["a tool's licence in a tool", "node_modules/vitest", "MPL-2.0", []],
])("a package with %s is judged by where it runs", (_, place, license, faults) => {
  expect(findLicenceFaults(withPackage(place, { license }))).toEqual(faults);
});

test("docs/LICENCES.md lists the packages of the lock file", async () => {
  await expect(formatLicences(lock)).toMatchFileSnapshot("../../docs/LICENCES.md");
});

// npm's --omit=dev would leave out what a service and a tool both need (protobuf, ajv, yaml). So it
// is not used, and what only tests need stands in the root's devDependencies or in e2e.
test("the bill of materials holds what the services need, with the hashes of the lock file", () => {
  const { status, stdout, stderr } = spawnSync("npm", ["run", "--silent", "sbom"], {
    cwd: project,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  expect(status, stderr).toBe(0);
  const { components, dependencies, metadata } = billSchema.parse(JSON.parse(stdout));

  const shipped = findShippedPlaces(lock);
  const packages = lockedPackages(lock).filter(({ place }) => shipped.has(place));
  const expected = packages.map(({ name, version, integrity = "" }) => [
    `pkg:npm/${name.replace("@", "%40")}@${version}`,
    Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex"),
  ]);
  const others = components.filter(({ hashes }) => hashes.length > 0);
  // npm 10 names a package once for each of its places.
  expect(new Map(others.map(({ purl, hashes }) => [purl, hashes[0]?.content]))).toEqual(
    new Map(expected.map(([purl, hash]) => [purl, hash])),
  );
  expect(others.every(({ licenses }) => licenses.length > 0)).toBe(true);
  const ours = components.filter(({ hashes }) => hashes.length === 0).map(({ purl }) => purl);
  expect(ours.toSorted()).toEqual(
    shippedWorkspaces.map((name) => `pkg:npm/%40pelikuni/${name}@0.0.0`).toSorted(),
  );
  const refs = new Set([metadata.component, ...components].map((one) => one["bom-ref"]));
  const named = dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]);
  expect(named.filter((ref) => !refs.has(ref))).toEqual([]);
});

/** The lock file with one package changed. */
function withPackage(place: string, change: Partial<LockFile["packages"][string]>): LockFile {
  const entry = lock.packages[place];
  if (entry === undefined) throw new Error(`The lock file has no ${place}.`);
  return { packages: { ...lock.packages, [place]: { ...entry, ...change } } };
}
