using System.Runtime.InteropServices;

namespace Vireo.Devices.Net;

/// <summary>The hash of a packet, and over what it was calculated.</summary>
/// <param name="Value">The hash; 0 when there is none.</param>
/// <param name="Report">Over what.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct NetHash(uint Value, NetHashReport Report);
