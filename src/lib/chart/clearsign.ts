/** Clear-signed messages: a text that can be read, and a signature of it. Source: go-crypto openpgp/clearsign; RFC 9580, section 7. */

/** A message taken apart. */
export interface ClearSigned {
  /** The text with its escapes removed, lines ended by a line feed (but the last one, which has none). */
  readonly text: string
  /** What is signed: the same with CRLF, as bytes. */
  readonly signed: Uint8Array
  readonly armoredSignature: string
}

const start = '-----BEGIN PGP SIGNED MESSAGE-----'
const signatureStart = '-----BEGIN PGP SIGNATURE-----'
const signatureEnd = '-----END PGP SIGNATURE-----'

/** The first message in a text; undefined when there is none, or one that is not complete. */
export function readClearSigned(data: string): ClearSigned | undefined {
  const begin = data.startsWith(start) ? 0 : data.indexOf(`\n${start}`) + 1
  if (begin === 0 && !data.startsWith(start)) return undefined
  const [title, ...lines] = data
    .slice(begin)
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
  const headerEnd = lines.findIndex((line) => line.trim() === '')
  const textEnd = lines.indexOf(signatureStart, headerEnd + 1)
  const end = lines.findIndex((line, index) => index > textEnd && line.startsWith(signatureEnd))
  if (title !== start || headerEnd < 0 || textEnd < 0 || end < 0) return undefined
  if (!lines.slice(0, headerEnd).every(isHashHeader)) return undefined
  const text = lines.slice(headerEnd + 1, textEnd).map((line) => line.replace(/^- /, '').replace(/[ \t]+$/, ''))
  return {
    text: text.join('\n'),
    signed: Buffer.from(text.join('\r\n'), 'utf8'),
    armoredSignature: `${lines.slice(textEnd, end + 1).join('\n')}\n`,
  }
}

/** The only header that may stand there. */
function isHashHeader(line: string): boolean {
  return /^\s*Hash\s*:\s*(?:MD5|SHA1|RIPEMD160|SHA224|SHA256|SHA384|SHA512|SHA3-256|SHA3-512|[,\s])+$/i.test(line)
}
