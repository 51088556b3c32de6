using System.Globalization;
using Spectre.Console;

namespace Vireo.Cli.Demo;

/// <summary>Shows what the guest is made of before it starts.</summary>
internal static class DemoTable
{
    /// <summary>Writes the table to standard error, so that standard output is the guest's alone.</summary>
    /// <param name="options">What the user wanted.</param>
    /// <param name="guest">What the guest is made of.</param>
    /// <param name="disk">The disk's image.</param>
    /// <param name="blockServer">Who serves the disk.</param>
    /// <param name="entropyServer">Who serves randomness.</param>
    public static void Write(
        DemoOptions options,
        GuestFiles guest,
        string disk,
        ChildProcess blockServer,
        ChildProcess entropyServer
    )
    {
        IAnsiConsole console = AnsiConsole.Create(
            new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) }
        );
        Table table = new Table().Border(TableBorder.Rounded).AddColumns("in the guest", "is", "served by");
        string size = Text((int)(new FileInfo(disk).Length / (1024 * 1024)));
        string image = options.DiskPath is null ? "a fresh image, ext2" : Path.GetFullPath(disk);
        table.AddRow(
            "/dev/vda",
            Escape($"virtio block, {size} MiB: {image}"),
            $"vireo block, process {Text(blockServer.Id)}"
        );
        table.AddRow("/dev/hwrng", "virtio entropy", $"vireo entropy, process {Text(entropyServer.Id)}");
        table.AddRow("the machine", Escape(Machine(options, guest)), "QEMU");
        console.Write(table);
        if (options.Script is null)
        {
            console.MarkupLine("Leave with [bold]exit[/], or with [bold]Ctrl-A[/] and then [bold]x[/] at any time.");
        }
    }

    private static string Machine(DemoOptions options, GuestFiles guest)
    {
        string how = (options.IsEmulated, guest.EmulationReason) switch
        {
            (true, _) => "emulated, as you asked",
            (_, { } reason) => $"emulated: {reason}",
            _ => "KVM",
        };
        return $"{Text(options.ProcessorCount)} processors, {Text(options.MemoryMebibytes)} MiB, {how}";
    }

    private static string Escape(string text) => Markup.Escape(text);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
