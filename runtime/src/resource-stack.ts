/** Resources that are disposed together, the last one first. */
export interface ResourceStack extends AsyncDisposable {
  /** Takes a resource and gives it back. */
  use<Resource extends AsyncDisposable>(resource: Resource): Resource;
}

/**
 * Builds something of several resources. When building fails, those made so far are disposed; when
 * it succeeds, the caller disposes the stack.
 */
export async function buildWithResources<T>(
  build: (resources: ResourceStack) => Promise<T>,
): Promise<T> {
  const resources = createResourceStack();
  try {
    return await build(resources);
  } catch (error) {
    await resources[Symbol.asyncDispose]();
    throw error;
  }
}

// Node 20 has no AsyncDisposableStack.
function createResourceStack(): ResourceStack {
  const stack: AsyncDisposable[] = [];
  return {
    use(resource) {
      stack.push(resource);
      return resource;
    },
    async [Symbol.asyncDispose]() {
      for (let resource = stack.pop(); resource !== undefined; resource = stack.pop()) {
        await resource[Symbol.asyncDispose]();
      }
    },
  };
}
