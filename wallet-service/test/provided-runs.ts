declare module "vitest" {
  interface ProvidedContext {
    /** How often each race is run: more in `npm run soak` than in `npm test`. */
    raceRounds: number;
    /** How many random histories are decided, and how many run over replicas. */
    groupHistories: number;
    replicaHistories: number;
  }
}

export {};
