import {
  type DescField,
  type DescMethod,
  type DescService,
  getOption,
  hasOption,
  type Message,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { Code, type ConnectError, type Interceptor } from "@connectrpc/connect";
import { type AccessRule, access } from "@pelikuni/gen/auth/v1/authorization_pb";
import type { Logger } from "../logger.ts";
import { rpcError } from "../rpc-errors.ts";
import { type Caller, callerKey, limitToOwn, ownUserOf } from "./caller.ts";
import { logRefusal } from "./refusal-log.ts";

/** Knows whose the things are that requests name. */
export interface Ownership {
  /**
   * Whether a user owns a thing. That he does not is found out by the same work whether it is
   * somebody else's or nobody's: otherwise the time of the answer would tell.
   *
   * @throws ConnectError when it cannot be told
   */
  isOwner(kind: OwnedKind, id: string, userId: string): Promise<boolean>;
  /** What is answered for a thing that does not exist, and for one that is somebody else's. */
  notFound(kind: OwnedKind, id: string): ConnectError;
}

/** What a request may name by its id. */
export type OwnedKind = "wallet" | "hold";

/** Enforces the rules that the contract has for its methods (pelikuni.auth.v1.access). */
export interface Authorization {
  /** Refuses callers without the method's scope, or keeps them to what is their own. */
  readonly scopes: Interceptor;
  /** Refuses those who were kept to their own and name another's; the request must be valid. */
  readonly owners: Interceptor;
}

/** The reason of a refusal because the caller may not do this. */
export const permissionDeniedReason = "PERMISSION_DENIED";

interface Rule {
  /** Undefined: anyone. */
  readonly scope: string | undefined;
  /** What a user without the scope may reach; undefined: nothing. */
  readonly owner: OwnerRule | undefined;
  /** What a request needs besides when it has the field. */
  readonly fields: readonly { readonly field: DescField; readonly scope: string }[];
}

type OwnerRule =
  | { readonly kind: OwnedKind | "user"; readonly field: DescField }
  | { readonly kind: "handler" };

/**
 * @param ownership needed where a rule names a wallet or a hold
 * @throws Error when a method has no rule, or one that does not fit
 */
export function createAuthorization(
  services: readonly DescService[],
  ownership: Ownership | undefined,
  logger: Logger,
): Authorization {
  const rules = new Map(
    services.flatMap(({ methods }) => methods).map((method) => [method, ruleOf(method)]),
  );

  function refuse(method: DescMethod, caller: Caller, why: object, refusal: ConnectError): never {
    logRefusal(logger, method, caller, why);
    throw refusal;
  }

  const scopes: Interceptor = (next) => (request) => {
    const { method, contextValues } = request;
    const caller = contextValues.get(callerKey);
    const rule = rules.get(method);
    if (caller === undefined || rule === undefined) throw new Error(`${method.name} has no rule`);
    const { scope, owner, fields } = rule;
    const hasScope = scope === undefined || caller.scopes.has(scope);
    if (!hasScope && (owner === undefined || !caller.isUser)) {
      refuse(method, caller, { scope }, scopeMissing(scope));
    }
    if (fields.length > 0 && !request.stream) {
      const message = reflect(method.input, request.message);
      const lacking = fields.find(
        (one) => message.isSet(one.field) && !caller.scopes.has(one.scope),
      );
      if (lacking !== undefined) {
        const { scope: needed, field } = lacking;
        refuse(method, caller, { scope: needed }, scopeMissing(needed, `With ${field.name} this`));
      }
    }
    if (!hasScope) limitToOwn({ values: contextValues }, caller.subject);
    return next(request);
  };

  async function assertOwn(method: DescMethod, caller: Caller, message: Message): Promise<void> {
    const owner = rules.get(method)?.owner;
    if (owner === undefined || owner.kind === "handler") return;
    const named = String(reflect(method.input, message).get(owner.field));
    if (owner.kind === "user") {
      if (named === caller.subject) return;
      refuse(method, caller, { userId: named }, otherUser());
    }
    if (ownership === undefined) throw new Error(`${method.name} needs to know owners`);
    const id = named.toLowerCase();
    if (await ownership.isOwner(owner.kind, id, caller.subject)) return;
    refuse(method, caller, { [owner.kind]: id }, ownership.notFound(owner.kind, named));
  }

  const owners: Interceptor = (next) => async (request) => {
    const { method, contextValues } = request;
    const caller = contextValues.get(callerKey);
    if (caller === undefined || ownUserOf({ values: contextValues }) === undefined)
      return await next(request);
    if (!request.stream) {
      await assertOwn(method, caller, request.message);
      return await next(request);
    }
    const check = async function* (messages: AsyncIterable<Message>): AsyncGenerator<Message> {
      for await (const message of messages) {
        await assertOwn(method, caller, message);
        yield message;
      }
    };
    return await next({ ...request, message: check(request.message) });
  };

  return { scopes, owners };
}

function ruleOf(method: DescMethod): Rule {
  if (!hasOption(method, access)) throw noRule(method, "has no option pelikuni.auth.v1.access");
  const rule: AccessRule = getOption(method, access);
  const { caller } = rule;
  if (caller.case === undefined) throw noRule(method, "says neither a scope nor anyone");
  if (rule.fields.length > 0 && method.methodKind !== "unary") {
    throw noRule(method, "has a rule for fields of a stream");
  }
  const fields = rule.fields.map(({ field, scope }) => ({ field: fieldOf(method, field), scope }));
  const scope = caller.case === "anyone" ? undefined : caller.value;
  return { scope, owner: ownerRuleOf(method, rule), fields };
}

function ownerRuleOf(method: DescMethod, { caller, owner }: AccessRule): OwnerRule | undefined {
  const object = owner?.object;
  if (caller.case === "anyone" || object?.case === undefined) return undefined;
  if (object.case === "handler") return { kind: "handler" };
  const kind = ({ walletId: "wallet", holdId: "hold", userId: "user" } as const)[object.case];
  return { kind, field: fieldOf(method, object.value) };
}

function fieldOf(method: DescMethod, named: string): DescField {
  const field = method.input.fields.find(({ name }) => name === named);
  if (field === undefined) throw noRule(method, `names no field of its request: ${named}`);
  return field;
}

function noRule(method: DescMethod, why: string): Error {
  return new Error(`The contract does not say who may call ${nameOf(method)}: it ${why}`);
}

function nameOf(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** The refusal of a caller without a scope; RFC 6750, section 3.1. */
export function scopeMissing(scope: string, what = "This"): ConnectError {
  const refusal = rpcError({
    code: Code.PermissionDenied,
    reason: permissionDeniedReason,
    message: `${what} needs the scope "${scope}"; ask for a token or an API key with it`,
    metadata: { scope },
  });
  const challenge = `Bearer error="insufficient_scope", scope="${scope}"`;
  refusal.metadata.set("www-authenticate", challenge);
  return refusal;
}

function otherUser(): ConnectError {
  return rpcError({
    code: Code.PermissionDenied,
    reason: permissionDeniedReason,
    message: "The user_id must be your own: the subject (sub) of your token",
  });
}
