using System.Runtime.InteropServices;

namespace Vireo.Devices.Net;

/// <summary>What became of a burst of frames for a driver.</summary>
/// <param name="Taken">How many of the first are done with, delivered or dropped and counted; the driver has no buffer for the next.</param>
/// <param name="Delivered">How many of those were delivered.</param>
/// <param name="DeliveredBytes">How long those are together.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct NetBurstDelivery(int Taken, int Delivered, long DeliveredBytes);
