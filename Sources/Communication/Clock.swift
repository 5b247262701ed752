/// A duration in whole nanoseconds; negative ones are none.
func nanoseconds(of duration: Duration) -> UInt64 {
  let (seconds, attoseconds) = duration.components
  return UInt64(clamping: seconds) &* 1_000_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000)
}
