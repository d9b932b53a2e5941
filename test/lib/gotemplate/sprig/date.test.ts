import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

const noon = '(toDate "2006-01-02T15:04:05Z07:00" "2023-08-09T12:30:45Z")'

describe('dates of sprig', () => {
  // Expected: sprig 3.3 in Go, but for `now`, which is the epoch here.
  it.each([
    [`date "02.01.06" ${noon}`, '09.08.23'],
    ['date "15:04 MST" 3600', '01:00 UTC'],
    [`dateInZone "15:04 MST" ${noon} "Europe/Rome"`, '14:30 CEST'],
    [`date_in_zone "Mon 15:04" ${noon} "Pacific/Auckland"`, 'Thu 00:30'],
    [`dateInZone "15:04 MST" ${noon} "No/Where"`, '12:30 UTC'],
    [`dateInZone "15:04 MST" ${noon} ""`, '12:30 UTC'],
    ['date "2006" "not a date"', '1970'],
    ['htmlDate 86400', '1970-01-02'],
    ['htmlDateInZone 0 "America/Lima"', '1969-12-31'],
    [`dateModify "-36h" ${noon}`, '2023-08-08 00:30:45 +0000 UTC'],
    [`date_modify "soon" ${noon}`, '2023-08-09 12:30:45 +0000 UTC'],
    [`mustDateModify "soon" ${noon}`, 'error: time: invalid duration "soon"'],
    [`must_date_modify "1us" ${noon}`, '2023-08-09 12:30:45.000001 +0000 UTC'],
    ['toDate "2006" "x"', '0001-01-01 00:00:00 +0000 UTC'],
    ['mustToDate "2006" "x"', 'error: parsing time "x" as "2006": cannot parse "x" as "2006"'],
    [`unixEpoch ${noon}`, '1691584245'],
    ['now', '1970-01-01 00:00:00 +0000 UTC m=+0.000000001'],
    ['ago (int64 -90)', '1m30s'],
    ['ago "x"', '0s'],
    ['duration "90061"', '25h1m1s'],
    ['duration 90', '0s'],
    ['duration "99999999999999999999"', '-1s'],
    ['durationRound "-50h"', '2d'],
    ['durationRound (int64 61000000000)', '1m'],
    [`durationRound (${noon}.Sub (now))`, '0s'],
    [`${noon}.Weekday`, 'Wednesday'],
    [`printf "%d %v %T" ${noon}.Month ${noon}.Month ${noon}.Month`, '8 August time.Month'],
    [`printf "%#v" ${noon}`, 'time.Date(2023, time.August, 9, 12, 30, 45, 0, time.UTC)'],
    [`(${noon}.Sub (toDate "2006" "2023")).Hours`, '5292.5125'],
    [`(${noon}.AddDate 0 6 23).Format "2 Jan"`, '3 Mar'],
    [`${noon}.Truncate 3600000000000`, '2023-08-09 12:00:00 +0000 UTC'],
    [`list ${noon} | toJson`, '["2023-08-09T12:30:45Z"]'],
    [`eq ${noon} ${noon}`, 'true'],
    [`${noon}.Date`, 'error: function Date has 3 return values; should be 1 or 2'],
    [`${noon}.wall`, 'error: wall is an unexported field of struct type time.Time'],
  ])('%s', (expression, output) => {
    expect(evaluate(expression)).toBe(output)
  })
})
