import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

// The expected texts are those of sprig 3.3.0 in Go.
describe('encodings', () => {
  it.each([
    ['b64enc "é"', 'w6k='],
    ['b64enc ""', ''],
    ['b64dec "w6k="', 'é'],
    ['b64dec "YWJj\\r\\nZGVm"', 'abcdef'],
    ['b64dec "YQ\\n==\\n"', 'a'],
    ['b64dec "/w==" | b64enc', '/w=='],
    ['b64dec "YR=="', 'a'],
  ])('encodes and decodes base64: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['b64dec "a"', 'illegal base64 data at input byte 0'],
    ['b64dec "YQ"', 'illegal base64 data at input byte 0'],
    ['b64dec "YQ="', 'illegal base64 data at input byte 3'],
    ['b64dec "YQ=x"', 'illegal base64 data at input byte 2'],
    ['b64dec "YQ==x"', 'illegal base64 data at input byte 4'],
    ['b64dec "YWJj="', 'illegal base64 data at input byte 4'],
    ['b64dec "Y Q=="', 'illegal base64 data at input byte 1'],
    ['b64dec "-_"', 'illegal base64 data at input byte 0'],
    ['b64dec "é"', 'illegal base64 data at input byte 0'],
  ])('says where base64 is wrong: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['b32enc "hello"', 'NBSWY3DP'],
    ['b32enc "hi"', 'NBUQ===='],
    ['b32dec "NBSWY3DP"', 'hello'],
    ['b32dec "NBUQ===="', 'hi'],
    ['b32dec "NB\\nUQ===="', 'hi'],
    ['b32dec "ME======rest" | quote', '"illegal base32 data at input byte 2"'],
  ])('encodes and decodes base32: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['b32dec "nbuq===="', 'illegal base32 data at input byte 0'],
    ['b32dec "NBUQ"', 'illegal base32 data at input byte 0'],
    ['b32dec "NBUQ==="', 'illegal base32 data at input byte 7'],
    ['b32dec "NBU====="', 'illegal base32 data at input byte 3'],
    ['b32dec "NBUQ=A=="', 'illegal base32 data at input byte 4'],
    ['b32dec "========"', 'illegal base32 data at input byte 0'],
    ['b32dec "M1======"', 'illegal base32 data at input byte 1'],
  ])('says where base32 is wrong: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })
})
