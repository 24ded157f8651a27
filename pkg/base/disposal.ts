/**
 * Runs every step in order, also after one has failed.
 * @throws the only failure, or an `AggregateError` of all of them, after the last step
 */
export async function closeInOrder(
  steps: readonly (() => void | PromiseLike<void>)[],
): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, "several closing steps failed");
}
