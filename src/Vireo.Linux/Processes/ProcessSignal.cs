using System.Globalization;
using Vireo.Linux.Native;

namespace Vireo.Linux.Processes;

/// <summary>Signals to other processes.</summary>
public static class ProcessSignal
{
    /// <summary>Asks a process to end (SIGTERM). Any thread may call.</summary>
    /// <param name="processId">Its number, from 1: one process, never a group.</param>
    /// <returns>False when there is no such process any more.</returns>
    /// <exception cref="LinuxException">EPERM: it is not ours to end.</exception>
    public static bool Terminate(int processId)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(processId, 1);
        if (LibC.kill(processId, LibC.SIGTERM) == 0)
        {
            return true;
        }

        Errno error = LinuxException.LastError;
        return error == Errno.ESRCH
            ? false
            : throw new LinuxException(error, nameof(LibC.kill), processId.ToString(CultureInfo.InvariantCulture));
    }
}
