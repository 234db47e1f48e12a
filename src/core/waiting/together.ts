interface Together<Asked, Answer> {
  /** Calls it when it is its turn. */
  readonly inTurn: (act: () => Promise<void>) => Promise<void>;
  /** All of it or nothing; answers in the same order. */
  readonly act: (asked: readonly Asked[]) => Promise<readonly Answer[]>;
}

interface Waiting<Asked, Answer> {
  readonly asked: Asked;
  readonly answer: PromiseWithResolvers<Answer>;
}

const mostAtOnce = 100;

/** What is asked for while others have their turn goes together. What cannot be done together is done one by one. */
export function makeTogether<Asked, Answer>({
  inTurn,
  act,
}: Together<Asked, Answer>): (asked: Asked) => Promise<Answer> {
  const waiting: Waiting<Asked, Answer>[] = [];

  async function take(batch: readonly Waiting<Asked, Answer>[]): Promise<void> {
    try {
      const answers = await act(batch.map(({ asked }) => asked));
      for (const [index, answer] of answers.entries()) batch[index]?.answer.resolve(answer);
    } catch (error) {
      const [only, ...others] = batch;
      if (others.length === 0) return only?.answer.reject(error);
      // One that cannot be done must not take the others along.
      for (const one of batch) await take([one]);
    }
  }

  return (asked) => {
    const answer = Promise.withResolvers<Answer>();
    waiting.push({ asked, answer });
    void inTurn(async () => {
      const batch = waiting.splice(0, mostAtOnce);
      if (batch.length > 0) await take(batch);
    });
    return answer.promise;
  };
}
