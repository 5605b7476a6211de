import { createHash, type Hash } from "node:crypto";
import type { StoredEvent } from "./event-reads.ts";
import { type Finding, isEqual } from "./event-verification.ts";

/** The last whole segment. */
export interface SegmentEnd {
  /** Its hash; undefined before the first one ends. */
  readonly journalHash: Uint8Array | undefined;
  /** Its last position; 0 before the first one ends. */
  readonly hashPosition: bigint;
}

const positionBytes = 8;

/** Segment hashes in a row: each covers the one before. */
export interface SegmentChain {
  /** @param known whether something is known to be wrong with the event or its entries */
  add(position: bigint, event: StoredEvent | undefined, known: boolean): Finding[];
  /** Where the last whole segment ends, and its hash. */
  reached(): SegmentEnd;
  /** Tells, at the last position, of a segment that has not ended. */
  end(position: bigint): Finding[];
}

/** Begins behind a position, whose segment has the hash given. */
export function createChain(behind: bigint, anchor: Uint8Array | undefined): SegmentChain {
  let journalHash = anchor;
  let firstPosition = behind + 1n;
  let hash = beginSegment(journalHash, firstPosition);
  let eventMissing = false;

  return {
    reached: () => ({ journalHash, hashPosition: firstPosition - 1n }),
    end(position) {
      if (position < firstPosition || eventMissing) return [];
      const description =
        `No journal hash covers the positions ${firstPosition} to ${position}: the end of their ` +
        "segment has not arrived, or its hash was removed.";
      return [{ position: firstPosition, walletId: "", version: 0n, description }];
    },
    add(position, event, known) {
      eventMissing ||= event === undefined || (known && !isIntact(event));
      if (event === undefined) return [];
      hash.update(createHash("sha256").update(event.bytes).digest());
      if (event.journalHash === null) return [];
      const fits = isEqual(hash.digest(), event.journalHash);
      const first = firstPosition;
      // What is wrong with an event of the segment was said already; the next segments are
      // verified from the hash that was handed over.
      const silent = fits || eventMissing;
      journalHash = event.journalHash;
      firstPosition = position + 1n;
      hash = beginSegment(journalHash, firstPosition);
      eventMissing = false;
      if (silent) return [];
      const description =
        `The segment of positions ${first} to ${position} does not have the hash that is stored ` +
        "with its last event.";
      return [{ position: first, walletId: "", version: 0n, description }];
    },
  };
}

function isIntact({ bytes, hash }: StoredEvent): boolean {
  return isEqual(createHash("sha256").update(bytes).digest(), hash);
}

function beginSegment(before: Uint8Array | undefined, firstPosition: bigint): Hash {
  const position = Buffer.alloc(positionBytes);
  position.writeBigUInt64BE(firstPosition);
  return createHash("sha256")
    .update(before ?? new Uint8Array())
    .update(position);
}
