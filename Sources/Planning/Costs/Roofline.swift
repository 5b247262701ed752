/// Where a layer lies on FasterMoE's roofline (He et al., PPoPP 2022, §3): what a rank can compute per second when all or
/// nothing of the exchange is hidden.
///
///     R_CC = Lat_comp / Lat_comm        P̄_ideal = P_w · min(1, R_CC)        P̄_semi-ideal = P_w · R_CC / (R_CC + 1)
///
/// Lat_comp is the slowest rank's forward pass of its experts, Lat_comm the busiest link's time for one all-to-all.
package struct Roofline: Hashable, Sendable {
  /// P_w: what a rank multiplies at most, operations per second.
  package let peak: Double
  package let computeSeconds: Double
  package let exchangeSeconds: Double

  package init(peak: Double, computeSeconds: Double, exchangeSeconds: Double) {
    self.peak = peak
    self.computeSeconds = computeSeconds
    self.exchangeSeconds = exchangeSeconds
  }

  /// R_CC; infinite where nothing is exchanged.
  package var ratio: Double { exchangeSeconds > 0 ? computeSeconds / exchangeSeconds : .infinity }

  /// Everything that can be hidden is.
  package var ideal: Double { peak * min(1, ratio) }

  /// Nothing is hidden.
  package var semiIdeal: Double { exchangeSeconds > 0 ? peak * ratio / (ratio + 1) : peak }
}
