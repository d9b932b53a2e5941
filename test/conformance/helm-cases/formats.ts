/** Random formats for printf: every verb and flag, well-formed or not. */

import type { Random } from '../random.ts'

const VERBS = [...'vvvvddsssqxXtTfgeGEbcoOUFw!%']
const FLAGS = ['', '', '', '', '+', '-', '#', ' ', '0', '+#', '-0', '# ', '+-', ' 0', '#0', '+0', '0-']
const WIDTHS = ['', '', '', '5', '10', '1', '08', '*', '20', '[1]*', '0']
const PRECISIONS = ['', '', '', '.2', '.0', '.', '.5', '.*', '.10', '.[2]*', '.1', '.-1']
const INDEXES = ['', '', '', '', '', '', '[1]', '[2]', '[3]', '[0]', '[9]', '[x]', '[', '[]']
const TEXT = ['', ' ', 'x', '%%', '|', ', ', 'é', '=']

export function randomFormat(random: Random): string {
  const directive = () =>
    `%${random.pick(FLAGS)}${random.pick(WIDTHS)}${random.pick(PRECISIONS)}${random.pick(INDEXES)}${random.chance(0.02) ? '' : random.pick(VERBS)}`
  return random.several(3, () => random.pick(TEXT) + directive()).join('') + random.pick(TEXT)
}
