// What `explorer/bundle.py` writes into the module "tables": Python's tables, as JSON.

type Slider = {
  name: string;
  place?: number | null;
  min: number;
  max: number;
  step: number;
  unit: string;
  default: number;
};
export const FAMILY: Record<string, { title: string; sliders: Slider[] }>;
export const OWN_PSI: string;
export const CHALLENGES: Record<string, { title: string; [asked: string]: any }>;
export const FORMS: Record<string, { title: string; acos: boolean; clip: [number, number] | null; unrolled: boolean }>;
export const WHY: Record<string, string>;
export const RECIPE: {
  epochs: number;
  batch: number;
  rate: number;
  beta2: number;
  anneal: [number, number];
  hidden: [number, number];
};
export const MOST_MOVES: number;
export const IMAGES: Record<string, { train: number; test: number; epochs: number }>;

type Row = { op: string | null; binds?: number; right?: boolean; takes?: number };
export const GRAMMAR: {
  variable: string;
  letters: string[];
  constants: Record<string, number>;
  operators: Record<string, Row>;
  signs: Record<string, Row>;
  functions: Record<string, Row>;
  spellings: Record<string, string>;
  spaces: string;
  limits: { length: number; depth: number };
  errors: Record<string, string>;
  end: string;
};
