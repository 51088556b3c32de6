namespace Vireo.GuestDriver;

/// <summary>Runs in guests: our drivers, through our proxies, on devices of a kernel that has what the tests' host may lack.</summary>
/// <remarks>
/// <c>vireo-driver disk /dev/vhost-vdpa-0</c>, <c>vireo-driver card TAP</c> (or <c>translated-card</c>), <c>vireo-driver served-card SOCKET</c>, <c>vireo-driver socket PORT</c>,
/// <c>vireo-driver scsi SOCKET</c>, <c>vireo-driver tunnel TAP</c>, <c>vireo-driver zones SOCKET CONVENTIONAL</c>. Prints one line
/// that begins with <c>done:</c>, or says what is wrong and ends with 1.
/// </remarks>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        try
        {
            string summary = arguments switch
            {
                ["disk", string node] => DiskCheck.Run(node),
                ["card", string tap] => CardCheck.Run(tap, isTranslated: false),
                ["translated-card", string tap] => CardCheck.Run(tap, isTranslated: true),
                ["served-card", string socket] => CardCheck.Run(socket),
                ["scsi", string socket] => ScsiCheck.Run(socket),
                ["tunnel", string tap] => TunnelCheck.Run(tap),
                ["zones", string socket, string conventional] => ZoneCheck.Run(socket, uint.Parse(conventional)),
                ["socket", string port] => SocketCheck.Run(uint.Parse(port)),
                _ => throw new ArgumentException(
                    "expected: disk NODE, card TAP, translated-card TAP, served-card SOCKET, scsi SOCKET, socket PORT, tunnel TAP or zones SOCKET CONVENTIONAL"
                ),
            };
            Console.WriteLine($"done: {summary}");
            return 0;
        }
        catch (Exception exception)
        {
            Console.Error.WriteLine(exception);
            return 1;
        }
    }
}
