import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { status as GrpcStatus, Metadata, type StatusObject } from "@grpc/grpc-js";
import { StatusSchema } from "@pelikuni/gen/google/rpc/status_pb";
import { cutText, errorMessageLengthMax } from "./rpc-errors.ts";

// Connect and gRPC number their codes alike; only the types differ.
const codes = Object.values(Code).filter((code) => typeof code === "number");
const statuses = Object.values(GrpcStatus).filter((status) => typeof status === "number");

const detailsHeader = "grpc-status-details-bin";

// Trailers beyond 40 KB hang a grpc-js client; base64 adds a third to these.
const detailsBytesMax = 24 * 1_024;

/** The status that grpc-js sends for an error, with its details as a google.rpc.Status. */
export function statusOfError(error: ConnectError): StatusObject {
  const metadata = metadataOf(error.metadata);
  const details = cutText(error.rawMessage, errorMessageLengthMax);
  if (error.details.length > 0) {
    const status = { code: error.code, message: details, details: packDetails(error) };
    const bytes = toBinary(StatusSchema, create(StatusSchema, status));
    metadata.set(detailsHeader, Buffer.from(bytes));
  }
  const code = statuses.find((known) => Number(known) === error.code) ?? GrpcStatus.UNKNOWN;
  return { code, details, metadata };
}

/** The error that a status received by a grpc-js client stands for, with its details. */
export function errorOfStatus(status: StatusObject): ConnectError {
  const code = codes.find((known) => Number(known) === status.code) ?? Code.Unknown;
  const error = new ConnectError(status.details, code, headersOf(status.metadata));
  error.details = unpackDetails(status.metadata);
  return error;
}

/** The headers that gRPC metadata stands for; binary values in base64, as Connect holds them. */
export function headersOf(metadata: Metadata): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(metadata.toHttp2Headers())) {
    for (const text of [value].flat()) headers.append(name, String(text ?? ""));
  }
  return headers;
}

/**
 * The gRPC metadata that headers stand for, without what grpc-js writes itself or refuses to send.
 */
export function metadataOf(headers: Headers): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of headers) {
    if (name.startsWith("grpc-") || name === "content-type" || name === "te") continue;
    if (name.endsWith("-bin")) metadata.add(name, Buffer.from(value, "base64"));
    else if (/^[ -~]*$/.test(value)) metadata.add(name, value);
  }
  return metadata;
}

function packDetails(error: ConnectError): Any[] {
  const packed = error.details.map((detail) =>
    "desc" in detail
      ? anyPack(detail.desc, create(detail.desc, detail.value))
      : create(AnySchema, {
          typeUrl: `type.googleapis.com/${detail.type}`,
          value: detail.value,
        }),
  );
  let bytesLeft = detailsBytesMax;
  return packed.filter((any) => {
    const fits = any.value.byteLength <= bytesLeft;
    if (fits) bytesLeft -= any.value.byteLength;
    return fits;
  });
}

function unpackDetails(metadata: Metadata): ConnectError["details"] {
  const [bytes] = metadata.get(detailsHeader);
  if (!(bytes instanceof Uint8Array)) return [];
  try {
    return fromBinary(StatusSchema, bytes).details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
      value,
    }));
  } catch {
    // Details that are not a Status come from somebody else's server; code and message still tell
    // what happened.
    return [];
  }
}
