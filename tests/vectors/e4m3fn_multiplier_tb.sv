// Reads a memh file and its parameters, compares every row with !==, ends with one line RESULT n=... bad=...
// The runner compares n with the manifest: iverilog 11 only warns when a file is short, and leaves X in the rest.
module e4m3fn_multiplier_tb;
    `include "mul.svh"
    reg [W-1:0] rows [0:N-1];
    reg [7:0] a, b, expected;
    wire [7:0] z;
    integer i, n, bad;
    e4m3fn_multiplier dut (.a(a), .b(b), .z(z));

    initial begin
        $readmemh("mul.hex", rows);
        n = 0;
        bad = 0;
        for (i = 0; i < N; i = i + 1) begin
            a = rows[i][A_LSB +: A_W];
            b = rows[i][B_LSB +: B_W];
            expected = rows[i][Z_LSB +: Z_W];
            #1;
            if (^rows[i] !== 1'bx) n = n + 1;
            if (z !== expected || ^z === 1'bx) begin
                bad = bad + 1;
                if (bad <= 10) $display("row %0d: %h * %h gives %h, expected %h", i, a, b, z, expected);
            end
        end
        $display("RESULT n=%0d bad=%0d", n, bad);
        if (bad != 0) $fatal(1, "the multiplier differs");
        $finish;
    end
endmodule
