import { parse, YAMLParseError } from "yaml";

// Its warnings show what they warn of.
const quiet = { logLevel: "error" } as const;

/** @throws what {@link describeYamlError} describes */
export function parseYaml(text: string): unknown {
  return parse(text, quiet);
}

/**
 * What the text of a variable means where another type is expected: YAML, or a list with commas.
 *
 * @throws what {@link describeYamlError} describes
 */
export function readText(text: string, expected: string): unknown {
  if (expected === "array" && !text.trimStart().startsWith("[")) {
    return text === "" ? [] : text.split(",").map((item) => item.trim());
  }
  return parseYaml(text);
}

/** Why a text is no YAML, without showing any of it. */
export function describeYamlError(error: unknown): string {
  // Its whole message shows the lines around it, and its first one may show a value.
  if (!(error instanceof YAMLParseError)) return "it names an anchor that it does not have";
  const { line, col } = error.linePos?.[0] ?? {};
  return line === undefined ? error.code : `${error.code} in line ${line}, column ${col}`;
}
