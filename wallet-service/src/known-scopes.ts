import { type FileRegistry, getOption } from "@bufbuild/protobuf";
import { access } from "@pelikuni/gen/auth/v1/authorization_pb";

/** The scopes that a contract's methods ask for, in alphabetical order. */
export function knownScopes(contract: FileRegistry): readonly string[] {
  const methods = [...contract].flatMap((desc) => (desc.kind === "service" ? desc.methods : []));
  const callers = methods.map((method) => getOption(method, access).caller);
  const scopes = callers.flatMap((caller) => (caller.case === "scope" ? [caller.value] : []));
  return [...new Set(scopes)].sort((one, other) => (one < other ? -1 : 1));
}
