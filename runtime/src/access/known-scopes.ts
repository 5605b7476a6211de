import { type FileRegistry, getOption } from "@bufbuild/protobuf";
import { access } from "@pelikuni/gen/auth/v1/authorization_pb";
import { OperatorError } from "../operator-error.ts";
import type { AuthConfiguration } from "./auth-configuration.ts";

/** The scopes that a contract's methods ask for, in alphabetical order. */
export function knownScopes(contract: FileRegistry): readonly string[] {
  const methods = [...contract].flatMap((desc) => (desc.kind === "service" ? desc.methods : []));
  const scopes = methods.flatMap((method) => {
    const { caller, fields } = getOption(method, access);
    const ofFields = fields.map(({ scope }) => scope);
    return caller.case === "scope" ? [caller.value, ...ofFields] : ofFields;
  });
  return [...new Set(scopes)].sort((one, other) => (one < other ? -1 : 1));
}

/**
 * Makes sure that a scope of a client certificate is none that no method asks for.
 *
 * @throws OperatorError
 */
export function assertScopesKnown(
  { certificates }: Pick<AuthConfiguration, "certificates">,
  contract: FileRegistry,
): void {
  const known = knownScopes(contract);
  for (const { name, scopes } of certificates) {
    const unknown = scopes.find((scope) => !known.includes(scope));
    if (unknown === undefined) continue;
    throw new OperatorError(
      `auth.certificates gives "${name}" the scope "${unknown}", which there is not; ` +
        `there are: ${known.join(", ")}`,
    );
  }
}
