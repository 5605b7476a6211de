import {
  findShippedPlaces,
  type LockedPackage,
  type LockFile,
  lockedPackages,
} from "./lock-file.ts";

/** Each asks for no more than that its text and its notices go along. */
const allowed = [
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT",
  "Unlicense",
];
/** MPL-2.0 asks for the source of files that are changed and passed on; a tool is neither. */
const allowedInTools = [...allowed, "MPL-2.0"];

/** Tells which packages have no licence, or one that nobody has agreed to: one sentence each. */
export function findLicenceFaults(lock: LockFile): string[] {
  const shipped = findShippedPlaces(lock);
  return lockedPackages(lock).flatMap(({ place, license }) => {
    if (license === undefined) return [`${place} names no licence`];
    const agreed = shipped.has(place) ? allowed : allowedInTools;
    // An expression joins licences by AND or OR: all of them have to be allowed, which is simple.
    const others = licencesIn(license).filter((id) => !agreed.includes(id));
    return others.map((id) => `${place} is under ${id}, which is not allowed there`);
  });
}

/** docs/LICENCES.md: it is the same on every system, since it comes from the lock file alone. */
export function formatLicences(lock: LockFile): string {
  const places = findShippedPlaces(lock);
  const packages = lockedPackages(lock);
  const shipped = packages.filter(({ place }) => places.has(place));
  const others = packages.filter(({ place }) => !places.has(place));
  return `# Licences

Made from package-lock.json by \`npm run licences\`; a test compares it, and refuses a licence that is not in the lists of
\`e2e/src/licences.ts\`. \`npm run --silent sbom\` prints the bill of materials (CycloneDX) of what the services need.

## What the services need to run

The image holds these, each with its own licence file in node_modules: ${countOf(shipped)}.

${formatTable(shipped)}

## What is needed to build, test, measure, and for \`npm start\`

None of these is in the image. Packages for other systems are listed too: ${countOf(others)}.

${formatTable(others)}
`;
}

function licencesIn(expression: string): string[] {
  return expression.split(/ AND | OR |[()]/).filter((id) => id !== "");
}

function countOf(packages: readonly LockedPackage[]): string {
  return `${new Set(packages.map(describe)).size} packages`;
}

function formatTable(packages: readonly LockedPackage[]): string {
  const licences = [...new Set(packages.map(licenceOf))].sort(compare);
  const rows = licences.map((licence) => {
    // A package may lie at several places.
    const names = new Set(packages.filter((one) => licenceOf(one) === licence).map(describe));
    return `| ${licence} | ${[...names].sort(compare).join(", ")} |`;
  });
  return ["| licence | packages |", "|---|---|", ...rows].join("\n");
}

function describe({ name, version }: LockedPackage): string {
  return `${name} ${version}`;
}

function licenceOf({ license = "none" }: LockedPackage): string {
  return license;
}

/** By code units: an order by language would depend on the machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
