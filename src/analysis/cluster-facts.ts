/** @module What rules may ask of a cluster beside labels and addresses, answered once a change for all that ask. */
import { formatIp, parseIp } from "../base/ip.ts";
import type { NetworkPlan } from "../network/plan.ts";
import type { NodeFacts, ServiceBackend, TranslationFacts } from "../policy/translation.ts";
import type { KubernetesObject, Labels } from "../resources/object.ts";

/** Where the answers come from. */
export interface FactSources {
  readonly objects: ReadonlyMap<string, KubernetesObject>;
  readonly plan: NetworkPlan;
  readonly serviceBackends: (namespace: string, name: string) => readonly ServiceBackend[];
}

/** `nodes`, or a Service's `namespace/name`. */
type Question = string;
const NODES: Question = "nodes";

/** What was asked, with the number of the answer that was given. */
export type Answered = ReadonlyMap<Question, number>;

interface Answer<T> {
  readonly value: T;
  /** Equal texts are equal answers. */
  readonly text: string;
  /** Never given twice. */
  readonly number: number;
  /** The change at which it was last looked up. */
  readonly round: number;
}

/**
 * Answers from one state of the cluster after the other, and knows which are others than before.
 * Cost: a lookup a change for each Service that is asked about, and for the nodes.
 */
export class ClusterFacts {
  #sources: FactSources | undefined;
  #round = 0;
  #numbers = 0;
  readonly #services = new Map<Question, Answer<readonly ServiceBackend[]>>();
  #nodes: Answer<readonly NodeFacts[]> | undefined;

  /** From now on answers are of this state. */
  follow(sources: FactSources): void {
    for (const [question, { round }] of this.#services)
      if (round < this.#round) this.#services.delete(question);
    this.#sources = sources;
    this.#round++;
  }

  /** Whether the answers would be the same again. */
  isCurrent(answered: Answered): boolean {
    return [...answered].every(([question, number]) => this.#numberOf(question) === number);
  }

  /** For one translation. */
  recorded(): RecordedFacts {
    return new RecordedFacts({
      nodes: () => this.#answerNodes(),
      serviceBackends: (namespace, name) => this.#answerService(`${namespace}/${name}`),
    });
  }

  #numberOf(question: Question): number {
    return question === NODES ? this.#answerNodes().number : this.#answerService(question).number;
  }

  #answerService(question: Question): Answer<readonly ServiceBackend[]> {
    const before = this.#services.get(question);
    if (before?.round === this.#round) return before;
    const [namespace = "", name = ""] = question.split("/");
    const value = this.#sources?.serviceBackends(namespace, name) ?? [];
    const text = value
      .map(({ address, protocol, port }) => `${formatIp(address)}/${protocol}/${port}`)
      .join(" ");
    const after = this.#next(before, value, text);
    this.#services.set(question, after);
    return after;
  }

  #answerNodes(): Answer<readonly NodeFacts[]> {
    if (this.#nodes?.round === this.#round) return this.#nodes;
    const value = this.#sources ? nodesOf(this.#sources) : [];
    const text = value
      .map(({ name, labels, addresses }) =>
        JSON.stringify([name, Object.entries(labels).sort(), addresses.map(formatIp)]),
      )
      .join(" ");
    this.#nodes = this.#next(this.#nodes, value, text);
    return this.#nodes;
  }

  #next<T>(before: Answer<T> | undefined, value: T, text: string): Answer<T> {
    const number = before?.text === text ? before.number : ++this.#numbers;
    return { value, text, number, round: this.#round };
  }
}

type Lookups = {
  readonly nodes: () => Answer<readonly NodeFacts[]>;
  readonly serviceBackends: (namespace: string, name: string) => Answer<readonly ServiceBackend[]>;
};

/** Passes questions on, and keeps what was asked. */
export class RecordedFacts implements TranslationFacts {
  readonly #lookups: Lookups | undefined;
  readonly #answered = new Map<Question, number>();

  /** @param lookups - left out: to find out whether anything is asked */
  constructor(lookups?: Lookups) {
    this.#lookups = lookups;
  }

  get answered(): Answered {
    return this.#answered;
  }

  nodes = (): readonly NodeFacts[] => this.#note(NODES, this.#lookups?.nodes());

  serviceBackends = (namespace: string, name: string): readonly ServiceBackend[] =>
    this.#note(`${namespace}/${name}`, this.#lookups?.serviceBackends(namespace, name));

  #note<T>(question: Question, answer: Answer<readonly T[]> | undefined): readonly T[] {
    this.#answered.set(question, answer?.number ?? 0);
    return answer?.value ?? [];
  }
}

function nodesOf({ objects, plan }: FactSources): NodeFacts[] {
  const labels = new Map<string, Labels>();
  for (const object of objects.values()) if (object.kind === "Node") labels.set(object.name, object.labels);
  return plan.nodes.map(({ name, addresses }) => ({
    name,
    labels: { "kubernetes.io/hostname": name, ...labels.get(name) },
    addresses: addresses.flatMap((text) => parseIp(text) ?? []),
  }));
}
