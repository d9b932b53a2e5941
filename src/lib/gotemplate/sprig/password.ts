/** The Master Password algorithm, by which sprig derives passwords. Source: sprig crypto.go, derivePassword. */

import { createHmac, scryptSync } from 'node:crypto'
import { bytesOf } from '../value.ts'

const seedName = 'com.lyndir.masterpassword'

/** Forms of passwords by type; each letter stands for one of the characters of a class. */
const forms: ReadonlyMap<string, readonly string[]> = new Map([
  ['maximum', ['anoxxxxxxxxxxxxxxxxx', 'axxxxxxxxxxxxxxxxxno']],
  [
    'long',
    (
      'CvcvnoCvcvCvcv CvcvCvcvnoCvcv CvcvCvcvCvcvno CvccnoCvcvCvcv CvccCvcvnoCvcv CvccCvcvCvcvno CvcvnoCvccCvcv ' +
      'CvcvCvccnoCvcv CvcvCvccCvcvno CvcvnoCvcvCvcc CvcvCvcvnoCvcc CvcvCvcvCvccno CvccnoCvccCvcv CvccCvccnoCvcv ' +
      'CvccCvccCvcvno CvcvnoCvccCvcc CvcvCvccnoCvcc CvcvCvccCvccno CvccnoCvcvCvcc CvccCvcvnoCvcc CvccCvcvCvccno'
    ).split(' '),
  ],
  ['medium', ['CvcnoCvc', 'CvcCvcno']],
  ['short', ['Cvcn']],
  ['basic', ['aaanaaan', 'aannaaan', 'aaannaaa']],
  ['pin', ['nnnn']],
])

const vowels = 'AEIOU'
const consonants = 'BCDFGHJKLMNPQRSTVWXYZ'
const letters = vowels + vowels.toLowerCase() + consonants + consonants.toLowerCase()
const digits = '0123456789'

const characterClasses: ReadonlyMap<string, string> = new Map([
  ['V', vowels],
  ['C', consonants],
  ['v', vowels.toLowerCase()],
  ['c', consonants.toLowerCase()],
  ['a', letters],
  ['n', digits],
  ['o', "@&%?,=[]_:-+*$#!'^~;()/."],
  ['x', `${letters}${digits}!@#$%^&*()`],
])

/** What a password is derived from. */
export interface Identity {
  readonly counter: bigint
  readonly password: string
  readonly user: string
  readonly site: string
}

/** Whether passwords of a type can be made. */
export function isPasswordType(type: string): boolean {
  return forms.has(type)
}

/** The password of a user for a site; always the same one for the same counter. `''` for an unknown type. */
export function derivePassword(type: string, { counter, password, user, site }: Identity): string {
  const salt = Buffer.concat([Buffer.from(seedName), lengthAndBytes(user)])
  const key = scryptSync(bytesOf(password), salt, 64, { N: 32_768, r: 8, p: 2, maxmem: 64 * 1024 * 1024 })
  const message = Buffer.concat([Buffer.from(seedName), lengthAndBytes(site), uint32(Number(counter))])
  const seed = createHmac('sha256', key).update(message).digest()
  const choices = forms.get(type) ?? ['']
  const form = choices[(seed[0] ?? 0) % choices.length] ?? ''
  return Array.from(form, (letter, index) => pick(characterClasses.get(letter) ?? '', seed[index + 1] ?? 0)).join('')
}

function pick(characters: string, number: number): string {
  return characters[number % characters.length] ?? ''
}

function lengthAndBytes(text: string): Buffer {
  const bytes = bytesOf(text)
  return Buffer.concat([uint32(bytes.length), bytes])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
