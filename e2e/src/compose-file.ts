import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { z } from "zod";

/** A service of ours as docker-compose.yml has it, with the values of its variables filled in. */
export interface ComposeService {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly healthCommand: readonly string[];
  /** The ports within its container that are published. */
  readonly ports: readonly number[];
}

const project = path.resolve(import.meta.dirname, "../..");
const serviceSchema = z.object({
  build: z.string().optional(),
  image: z.string(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()),
  ports: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.tuple([z.literal("CMD")], z.string()) }),
});
const fileSchema = z.object({ services: z.record(z.string(), serviceSchema) });

/**
 * Reads the services that are built from this project, in the order of the file.
 *
 * @param variables stand for those of .env
 * @throws when a variable that the file needs is not among them
 */
export function readComposeServices(variables: Readonly<Record<string, string>>): ComposeService[] {
  const text = readFileSync(path.join(project, "docker-compose.yml"), "utf8");
  const { services } = fileSchema.parse(parse(fillIn(text, variables), { merge: true }));
  return Object.entries(services)
    .filter(([, { build }]) => build !== undefined)
    .map(([name, { command = [], environment, ports, healthcheck }]) => ({
      name,
      command,
      environment,
      healthCommand: healthcheck.test.slice(1),
      ports: ports.map((mapping) => Number(mapping.split(":").at(-1))),
    }));
}

/** The names of the variables in .env.example. */
export function readVariableNames(): string[] {
  const text = readFileSync(path.join(project, ".env.example"), "utf8");
  return [...text.matchAll(/^([A-Z_]+)=/gm)].map(([, name = ""]) => name);
}

/**
 * The statements of the script that creates roles and databases, as psql would send them: `\getenv`
 * reads a variable of the container, `:'name'` quotes it.
 */
export function readInitStatements(variables: Readonly<Record<string, string>>): string[] {
  const file = path.join(project, "deploy/postgres-init/01-databases.sql");
  const text = readFileSync(file, "utf8").replaceAll(/^--.*$/gm, "");
  const values = new Map<string, string>();
  const sql = text.replaceAll(/^\\getenv (\w+) (\w+)$/gm, (_, name: string, variable: string) => {
    values.set(name, readVariable(variables, variable));
    return "";
  });
  return sql
    .replaceAll(/:'(\w+)'/g, (_, name: string) => `'${values.get(name)}'`)
    .split(";")
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}

// The values are passwords of letters and digits, which YAML and SQL take as they are.
function fillIn(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{(\w+)(?::\?[^}]*)?\}/g, (_, name: string) =>
    readVariable(variables, name),
  );
}

function readVariable(variables: Readonly<Record<string, string>>, name: string): string {
  const value = variables[name];
  if (value === undefined) throw new Error(`${name} is not in .env.example.`);
  return value;
}
