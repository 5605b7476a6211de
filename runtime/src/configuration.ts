import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { z } from "zod";
import { OperatorError } from "./operator-error.ts";
import { keysAt } from "./schema-keys.ts";
import { isDefaultPassword, isSecret } from "./secret-settings.ts";
import { describeYamlError, parseYaml, readText } from "./setting-text.ts";

/** Every mistake of one configuration section; the message is the whole report, without values. */
export class ConfigurationError extends OperatorError {
  override name = "ConfigurationError";
}

/** Where {@link loadConfiguration} reads; tests give their own. */
export interface ConfigurationSource {
  /** Directory of base.yaml and {APP_ENVIRONMENT}.yaml; default: the project's `configuration`. */
  readonly directory?: string;
  /** Environment variables; default: those of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

interface Setting {
  readonly path: readonly string[];
  readonly value: unknown;
  /** Shown to the operator: a file or a variable. */
  readonly origin: string;
  readonly variable: boolean;
}

interface Layers {
  readonly environmentName: string;
  readonly settings: readonly Setting[];
  readonly mistakes: readonly string[];
}

type Values = { [key: string]: unknown };

// Compiled or not, this file lies two levels below the project's root.
const projectConfigurationDirectory = path.resolve(import.meta.dirname, "../../configuration");

/**
 * Reads one section from base.yaml, then {APP_ENVIRONMENT}.yaml (`local` unless set), then the
 * variables `APP__SECTION__KEY` (two underscores lead one level down), the later ones winning.
 * Values of variables are read as the type that the schema wants there. The schema has to be
 * made of `z.strictObject`, so that unknown keys are mistakes.
 *
 * @throws ConfigurationError with all mistakes at once: key, origin, and what is allowed
 */
export function loadConfiguration<Schema extends z.ZodType>(
  section: string,
  schema: Schema,
  source: ConfigurationSource = {},
): z.output<Schema> {
  const directory = source.directory ?? projectConfigurationDirectory;
  const layers = readLayers(section, directory, source.environment ?? process.env);
  const values: Values = {};
  for (const setting of layers.settings) place(values, setting.path, setting.value);
  const first = schema.safeParse(values);
  if (!first.success) readVariablesAsWanted(values, layers.settings, first.error.issues);
  const result = first.success ? first : schema.safeParse(values);
  const mistakes = [...layers.mistakes];
  const issues = result.error?.issues ?? [];
  for (const issue of issues.filter((one) => !isConsequence(one, issues))) {
    mistakes.push(...describeIssue(section, schema, layers, issue));
  }
  if (mistakes.length > 0 || !result.success) throw report(section, layers, mistakes);
  return result.data;
}

/** What the environment tells tests. */
export interface TestServers {
  /** The Postgres to use instead of starting one: DATABASE_URL. */
  readonly databaseUrl: string | undefined;
  /** The Kafka to use instead of starting one: KAFKA_BROKERS, "host:port,host:port". */
  readonly kafkaBrokers: string[] | undefined;
  /** Whether a test that cannot run is a failure: CI=true. */
  readonly nothingSkipped: boolean;
}

/** Reads the variables that say which servers tests use. */
export function readTestServers(): TestServers {
  return {
    databaseUrl: process.env.DATABASE_URL,
    kafkaBrokers: process.env.KAFKA_BROKERS?.split(","),
    nothingSkipped: process.env.CI === "true",
  };
}

function report(section: string, layers: Layers, mistakes: readonly string[]): ConfigurationError {
  const count = mistakes.length === 1 ? "one mistake" : `${mistakes.length} mistakes`;
  const environment = `APP_ENVIRONMENT is ${layers.environmentName}`;
  const head = `The configuration has ${count} (${environment}; section ${section} was read):`;
  return new ConfigurationError([head, ...mistakes.map((mistake) => `  - ${mistake}`)].join("\n"));
}

function readLayers(
  section: string,
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
): Layers {
  const environmentName = environment.APP_ENVIRONMENT ?? "local";
  const known = readdirSync(directory)
    .filter((file) => file.endsWith(".yaml") && file !== "base.yaml")
    .map((file) => path.basename(file, ".yaml"));
  if (!known.includes(environmentName)) {
    const message = `APP_ENVIRONMENT is "${environmentName}", allowed: ${known.join(", ")}`;
    throw new ConfigurationError(`${message} (one file each in ${directory})`);
  }
  const base = readYaml(directory, "base.yaml");
  const overlay = readYaml(directory, `${environmentName}.yaml`);
  const sections = Object.keys(base);
  const mistakes = Object.keys(overlay)
    .filter((name) => !sections.includes(name))
    .map((name) => unknownSection(`${name} (${environmentName}.yaml)`, sections));
  const fromFiles = [
    ...flatten(base[section], [], "configuration/base.yaml"),
    ...flatten(overlay[section], [], `configuration/${environmentName}.yaml`),
  ];
  mistakes.push(...fromFiles.flatMap((setting) => describeSecret(section, setting)));
  const variables = readVariables(section, sections, environment);
  mistakes.push(...variables.mistakes);
  const fromVariables = variables.settings.map((setting) => spelledAsIn(fromFiles, setting));
  const settings = [...fromFiles, ...fromVariables];
  if (environmentName === "production") {
    mistakes.push(...settings.flatMap((setting) => describeDefaultPassword(section, setting)));
  }
  return { environmentName, settings, mistakes };
}

function readYaml(directory: string, file: string): Values {
  const fullPath = path.join(directory, file);
  if (!existsSync(fullPath)) throw new ConfigurationError(`${fullPath} is missing`);
  let content: unknown;
  try {
    content = parseYaml(readFileSync(fullPath, "utf8"));
  } catch (error) {
    throw new ConfigurationError(`configuration/${file} is no YAML: ${describeYamlError(error)}`);
  }
  if (content === null) return {};
  if (!isMapping(content)) {
    throw new ConfigurationError(`configuration/${file} must hold sections, each with its keys`);
  }
  return content;
}

function readVariables(
  section: string,
  sections: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): { settings: Setting[]; mistakes: string[] } {
  const settings: Setting[] = [];
  const mistakes: string[] = [];
  for (const [variable, value] of Object.entries(environment).sort()) {
    if (!variable.startsWith("APP__") || value === undefined) continue;
    const [name = "", ...keys] = variable.slice("APP__".length).toLowerCase().split("__");
    if (!sections.includes(name)) {
      mistakes.push(unknownSection(`variable ${variable}: ${name}`, sections));
    } else if (keys.length === 0) {
      mistakes.push(`variable ${variable} names a section without a key: ${variable}__KEY`);
    } else if (name === section) {
      settings.push({ path: keys, value, origin: `variable ${variable}`, variable: true });
    }
  }
  return { settings, mistakes };
}

/** Names of variables come in small letters; a key that files have is meant as they write it. */
function spelledAsIn(files: readonly Setting[], variable: Setting): Setting {
  const spelled = variable.path.map((key, index) => {
    const upToHere = variable.path.slice(0, index + 1);
    const file = files.find(({ path: at }) => {
      const same = at.slice(0, index + 1).map((part) => part.toLowerCase());
      return samePath(same, upToHere);
    });
    return file?.path[index] ?? key;
  });
  return { ...variable, path: spelled };
}

function unknownSection(place: string, sections: readonly string[]): string {
  return `${place} is no section; allowed: ${sections.join(", ")}`;
}

/** The settings below a value of a file. An empty value unsets what an earlier layer gave. */
function flatten(value: unknown, at: readonly string[], origin: string): Setting[] {
  const below = isMapping(value) ? Object.entries(value) : [];
  if (below.length > 0) {
    return below.flatMap(([key, inner]) => flatten(inner, [...at, key], origin));
  }
  return at.length === 0 ? [] : [{ path: at, value: value ?? undefined, origin, variable: false }];
}

function place(values: Values, at: readonly string[], value: unknown): void {
  const [key = "", ...rest] = at;
  const below = values[key];
  if (rest.length > 0) {
    const mapping = isMapping(below) ? below : {};
    values[key] = mapping;
    place(mapping, rest, value);
  } else if (value === undefined) {
    delete values[key];
  } else if (!(isMapping(value) && isMapping(below))) {
    // A mapping that stands here itself is empty, and adds nothing to another one.
    values[key] = value;
  }
}

/** Variables are text; where the schema refused text, the text is read as YAML, or as a list. */
function readVariablesAsWanted(
  values: Values,
  settings: readonly Setting[],
  issues: readonly z.core.$ZodIssue[],
): void {
  for (const issue of issues) {
    if (issue.code !== "invalid_type") continue;
    const setting = settings.findLast((one) => samePath(one.path, issue.path));
    if (!setting?.variable || typeof setting.value !== "string") continue;
    try {
      place(values, setting.path, readText(setting.value, issue.expected));
    } catch {
      // The schema then reports the text itself.
    }
  }
}

/** Of a value that is of the wrong type, its size says nothing. */
function isConsequence(issue: z.core.$ZodIssue, issues: readonly z.core.$ZodIssue[]): boolean {
  return issues.some(
    (one) => one !== issue && one.code === "invalid_type" && samePath(one.path, issue.path),
  );
}

function describeIssue(
  section: string,
  schema: z.ZodType,
  layers: Layers,
  issue: z.core.$ZodIssue,
): string[] {
  if (issue.code === "unrecognized_keys") {
    const allowed = keysAt(schema, issue.path).join(", ");
    return issue.keys.map((key) => {
      const at = [...issue.path, key];
      return `${dotted(section, at)} (${originOf(layers, at)}): unknown key; allowed: ${allowed}`;
    });
  }
  const origin = originOf(layers, issue.path);
  if (origin === undefined) {
    const variable = ["APP", section, ...issue.path].join("__").toUpperCase();
    return [`${dotted(section, issue.path)} is not set (${variable} sets it): ${issue.message}`];
  }
  const unread = issue.code === "invalid_type" ? describeUnread(layers, issue) : "";
  return [`${dotted(section, issue.path)} (${origin}): ${issue.message}${unread}`];
}

/** Why a variable's text is still text where the schema wants something else. */
function describeUnread({ settings }: Layers, { path: at, expected }: z.core.$ZodIssueInvalidType) {
  const setting = settings.findLast((one) => samePath(one.path, at));
  if (!setting?.variable || typeof setting.value !== "string") return "";
  try {
    readText(setting.value, expected);
    return "";
  } catch (error) {
    return `; the text is no YAML: ${describeYamlError(error)}`;
  }
}

/** Where the value at a path, or the last one below it, came from; an empty mapping gives nothing. */
function originOf(layers: Layers, at: readonly PropertyKey[]): string | undefined {
  return layers.settings.findLast(
    (setting) =>
      setting.value !== undefined &&
      at.length > 0 &&
      !(setting.path.length < at.length && isMapping(setting.value)) &&
      samePath(setting.path.slice(0, at.length), at.slice(0, setting.path.length)),
  )?.origin;
}

function describeSecret(section: string, { path: at, value, origin }: Setting): string[] {
  if (!isSecret(at.at(-1) ?? "", value)) return [];
  const variable = ["APP", section, ...at].join("__").toUpperCase();
  return [`${dotted(section, at)} (${origin}): secrets belong in ${variable}`];
}

function describeDefaultPassword(section: string, { path: at, value, origin }: Setting): string[] {
  if (!isDefaultPassword(at.at(-1) ?? "", value)) return [];
  const place = `${dotted(section, at)} (${origin})`;
  return [`${place}: production refuses a default password; choose one of your own`];
}

function samePath(one: readonly PropertyKey[], other: readonly PropertyKey[]): boolean {
  return one.length === other.length && one.every((key, index) => key === other[index]);
}

function dotted(section: string, at: readonly PropertyKey[]): string {
  return [section, ...at.map(String)].join(".");
}

function isMapping(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
