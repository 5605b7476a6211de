import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";

const names = z.record(z.string(), z.string()).default({});
const entrySchema = z.object({
  name: z.string().optional(),
  version: z.string().optional(),
  resolved: z.string().optional(),
  integrity: z.string().optional(),
  license: z.string().optional(),
  link: z.boolean().default(false),
  inBundle: z.boolean().default(false),
  hasInstallScript: z.boolean().default(false),
  dependencies: names,
  devDependencies: names,
  optionalDependencies: names,
});
const lockFileSchema = z.object({ packages: z.record(z.string(), entrySchema) });
const manifestSchema = z.object({ allowScripts: z.record(z.string(), z.boolean()) });
const inPackages = "node_modules/";

export type LockFile = z.infer<typeof lockFileSchema>;
type LockEntry = LockFile["packages"][string];

/** A package of somebody else's, at one place below node_modules. */
export interface LockedPackage extends LockEntry {
  readonly place: string;
  readonly name: string;
}

export const project: string = path.resolve(import.meta.dirname, "../..");

/** The workspaces that an image holds; `npm run sbom` and the Dockerfile name the same. */
export const shippedWorkspaces: readonly string[] = [
  "gen",
  "runtime",
  "wallet-service",
  "history-service",
  "gateway",
];

export function readLockFile(): LockFile {
  return lockFileSchema.parse(readJson("package-lock.json"));
}

/** The packages whose install scripts were looked at: true for those that may run, false for the others. */
export function readAllowedScripts(): Readonly<Record<string, boolean>> {
  return manifestSchema.parse(readJson("package.json")).allowScripts;
}

export function lockedPackages(lock: LockFile): LockedPackage[] {
  return Object.entries(lock.packages)
    .filter(([place, { link }]) => place.includes(inPackages) && !link)
    .map(([place, entry]) => ({
      ...entry,
      place,
      name: entry.name ?? place.slice(place.lastIndexOf(inPackages) + inPackages.length),
    }));
}

/**
 * Tells what in a lock file lets somebody choose what is installed, or run it: one sentence each.
 *
 * The lock file names no registry (.npmrc: omit-lockfile-registry-resolved), so that whatever has an
 * address comes from elsewhere.
 */
export function findSupplyFaults(
  lock: LockFile,
  allowedScripts: Readonly<Record<string, boolean>>,
): string[] {
  const packages = lockedPackages(lock);
  const withScript = new Set(packages.filter((p) => p.hasInstallScript).map((p) => p.name));
  return [
    ...packages.flatMap(findSourceFaults),
    ...Object.entries(lock.packages)
      .filter(([, { link, resolved = "" }]) => link && !isWorkspace(lock, resolved))
      .map(([place, { resolved }]) => `${place} is a link to ${resolved}, which is no workspace`),
    ...[...withScript]
      .filter((name) => !(name in allowedScripts))
      .map((name) => `${name} has an install script that package.json does not name`),
    ...Object.keys(allowedScripts)
      .filter((name) => !withScript.has(name))
      .map((name) => `${name} is named in allowScripts and has no install script`),
  ];
}

/** The places of all packages that the services need to run, on whatever system. */
export function findShippedPlaces(lock: LockFile): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [...shippedWorkspaces];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    if (found.has(place)) continue;
    found.add(place);
    const entry = lock.packages[place];
    if (entry === undefined) throw new Error(`The lock file has no ${place}.`);
    const needed = { ...entry.dependencies, ...entry.optionalDependencies };
    open.push(...Object.keys(needed).map((name) => findPlace(lock, place, name)));
  }
  return found;
}

function findSourceFaults({ place, version, integrity = "", resolved, inBundle }: LockedPackage) {
  const faults = [];
  if (!/^sha512-[\w+/]{86}==$/.test(integrity)) faults.push(`${place} has no SHA-512`);
  if (resolved !== undefined) faults.push(`${place} comes from ${resolved}, not from the registry`);
  if (version === undefined) faults.push(`${place} has no version`);
  if (inBundle) faults.push(`${place} is bundled in another package`);
  return faults;
}

function isWorkspace(lock: LockFile, place: string): boolean {
  return place in lock.packages && !place.includes(inPackages) && !place.includes("..");
}

/** Looks for a package as Node does: in the folder of the one that needs it, then in those above. */
function findPlace(lock: LockFile, from: string, name: string): string {
  for (let folder = from; ; folder = parentOf(folder)) {
    const place = folder === "" ? inPackages + name : `${folder}/${inPackages}${name}`;
    const entry = lock.packages[place];
    if (entry !== undefined) return entry.link ? (entry.resolved ?? place) : place;
    if (folder === "") throw new Error(`The lock file has no ${name} for ${from}.`);
  }
}

function parentOf(folder: string): string {
  const end = folder.lastIndexOf(`/${inPackages}`);
  return end === -1 ? "" : folder.slice(0, end);
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(path.join(project, file), "utf8"));
}
