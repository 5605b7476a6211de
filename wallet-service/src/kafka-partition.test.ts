import { Partitioners } from "kafkajs";
import { v7 } from "uuid";
import { expect, test } from "vitest";
import { partitionOf } from "./kafka-partition.ts";

test("keys of every length go where Kafka's own clients send them", () => {
  const choose = Partitioners.DefaultPartitioner();
  const keys = Array.from({ length: 200 }, (_, index) => v7().slice(0, index % 37));
  for (const partitions of [1, 6, 7, 64, 1_000]) {
    const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
      partitionId,
      partitionErrorCode: 0,
      leader: 1,
      replicas: [],
      isr: [],
    }));
    for (const key of keys) {
      const message = { key, value: null };
      const expected = choose({ topic: "topic", partitionMetadata, message });
      expect([key, partitionOf(key, partitions)]).toEqual([key, expected]);
    }
  }
});
