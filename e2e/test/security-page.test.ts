import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createFileRegistry, fromBinary, getOption } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { access } from "@pelikuni/gen/auth/v1/authorization_pb";
import { expect, test } from "vitest";

const project = path.resolve(import.meta.dirname, "../..");
const page = readFileSync(path.join(project, "docs/SECURITY.md"), "utf8");
const testFiles = execFileSync("git", ["ls-files", "*.test.ts"], {
  cwd: project,
  encoding: "utf8",
});

// | S, T | threat | what stops it | file: *name…*; other-file |
const threats = page.split("\n").filter((line) => /^\| [STRIDE](, [STRIDE])* \|/.test(line));

test("each threat of the security page names tests that exist", () => {
  expect(threats.length).toBeGreaterThan(20);
  for (const threat of threats) {
    const shownBy = threat.split("|").at(-2)?.trim() ?? "";
    expect(shownBy, threat).not.toBe("");
    if (!shownBy.startsWith("none: ")) expect(missingIn(shownBy), threat).toEqual([]);
  }
});

test("the security page's scopes and their methods are those of the contract", () => {
  const file = path.join(project, "gen/descriptors.binpb");
  const contract = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(file)));
  const methods = [...contract]
    .flatMap((desc) =>
      desc.kind === "service" && desc.file.name.startsWith("pelikuni/") ? desc.methods : [],
    )
    .map((method) => {
      const { caller } = getOption(method, access);
      return `${caller.case === "scope" ? caller.value : "none"} ${method.name}`;
    });
  const told = page
    .split("\n")
    .filter((line) => /^\| (`([a-z_]+:[a-z]+|admin)`|none) \|/.test(line))
    .flatMap((line) => {
      const [, scope = "", allowed = ""] = line.split("|").map((cell) => cell.trim());
      const names = allowed.match(
        /\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b|\b(?:Withdraw|Transfer|Reconcile)\b/g,
      );
      return (names ?? []).map((name) => `${scope.replaceAll("`", "")} ${name}`);
    });
  expect(told.sort()).toEqual(methods.sort());
});

/** Which of the test files and test names that a cell names there are not. */
function missingIn(shownBy: string): string[] {
  const isTest = /\*([^*]+)\*/g;
  const names = [...shownBy.matchAll(isTest)].map(([, name = ""]) => name.replaceAll("…", ""));
  const files = shownBy.replaceAll(isTest, "").split(/[;:,\s]+/);
  return [
    ...files.filter((file) => !testFiles.includes(`/${file}.test.ts\n`) && file !== ""),
    ...names.filter((name) => !testText().includes(name)),
  ];
}

let text: string | undefined;

function testText(): string {
  text ??= testFiles
    .trim()
    .split("\n")
    .map((file) => readFileSync(path.join(project, file), "utf8"))
    .join("");
  return text;
}
