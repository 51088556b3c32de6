using System.Runtime.InteropServices;

namespace Vireo.Linux.Sockets;

/// <summary>Who was at the other end when the connection was made.</summary>
/// <param name="ProcessId">Its process, or 0 when it is outside this process' view.</param>
/// <param name="UserId">Its effective user.</param>
/// <param name="GroupId">Its effective group.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PeerCredentials(int ProcessId, uint UserId, uint GroupId);
